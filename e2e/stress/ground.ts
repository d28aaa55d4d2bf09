// What all sessions of a stress run share: the node, what has been learnt, which letter lies under which UID, what was kept.
import { ImapLore, numbersOf } from '@skein/testkit'
import { ImapClient } from '../harness/imap-client.ts'
import { type SkeinNode, ports } from '../harness/skein.ts'

/** Letters are only added to it: in the end all that were acknowledged must be there. */
export const keptMailbox = 'Keep'
export const lastingMailboxes = ['INBOX', '工作', 'Archive', keptMailbox] as const
/** These are made, renamed and deleted all the time. */
export const passingMailboxes = ['one', 'two', 'two/three'] as const

export class StressGround {
  readonly lore = new ImapLore()
  private deadline: number
  private busy: number
  private wake: (() => void)[] = []
  readonly #serials = new Map<string, number>()
  /** UID -> letter, of what was acknowledged in the kept mailbox. */
  readonly kept = new Map<number, number | undefined>()
  keptValidity = 0
  commands = 0
  answers = 0
  private serial = 0
  /** The account's home first; the others carry their sessions to it. */
  readonly nodes: readonly SkeinNode[]
  readonly user: string
  readonly password: string

  constructor(nodes: readonly SkeinNode[], user: string, password: string, seconds: number, sessions: number) {
    this.busy = sessions
    this.nodes = nodes
    this.user = user
    this.password = password
    this.deadline = performance.now() + seconds * 1000
  }

  get over(): boolean {
    return performance.now() >= this.deadline
  }

  /** After a failure nobody need go on. */
  stop(): void {
    this.deadline = 0
    for (const wake of this.wake) wake()
  }

  /** Resolves when all sessions have come to their end. */
  async quiet(): Promise<void> {
    this.busy -= 1
    if (this.busy === 0) for (const wake of this.wake) wake()
    else await new Promise<void>((resolve) => this.wake.push(resolve))
  }

  nextSerial(): number {
    return ++this.serial
  }

  /** The node that the client of this number talks to. */
  address(client: number): string {
    return (this.nodes[client % this.nodes.length] as SkeinNode).address
  }

  login(client = 0): Promise<ImapClient> {
    return ImapClient.login({ host: this.address(client), port: ports.imap }, this.user, this.password)
  }

  serialAt(uidValidity: number, uid: number): number | undefined {
    return this.#serials.get(`${uidValidity}/${uid}`)
  }

  /** @throws Error where that UID was known to be another letter */
  noteSerial(uidValidity: number, uid: number, serial: number): void {
    const key = `${uidValidity}/${uid}`
    const known = this.#serials.get(key)
    if (known !== undefined && known !== serial)
      throw new Error(`UID ${uid} of ${uidValidity} was letter ${known}, now ${serial}`)
    this.#serials.set(key, serial)
    if (uidValidity === this.keptValidity) this.kept.set(uid, serial)
  }

  /** APPENDUID and COPYUID: letters in the order of their UIDs, where they are known. */
  noteArrived(uidValidity: number, uids: string, serials: readonly (number | undefined)[]): void {
    const list = numbersOf(uids)
    if (list.length !== serials.length) throw new Error(`${uids} are not ${serials.length} UIDs`)
    for (const [at, uid] of list.entries()) {
      const serial = serials[at]
      if (serial !== undefined) this.noteSerial(uidValidity, uid, serial)
      else if (uidValidity === this.keptValidity) this.kept.set(uid, this.kept.get(uid))
    }
  }
}

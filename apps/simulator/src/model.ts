// What a run promised and what came of it, kept apart from the nodes: letters as the front doors answered for them,
// what the world outside received, which accounts ever held which name.
import type { AccountId } from '@skein/accounts'

export interface ModelLetter {
  n: number
  /** '' for none. */
  from: string
  /** As RCPT accepted them. */
  recipients: string[]
  /** What the letter's bytes end with in every mailbox. */
  bytes: Buffer
  acknowledged: boolean
  queueId: string
}

/** A node, and a moment of the run's clock. */
export interface Take {
  node: string
  atMs: number
}

/** From a server's answer to the end of the write that remembers it: the line, and two turns of a slow disk. */
const smtpWindowMs = 45

export class Model {
  readonly letters: ModelLetter[] = []
  /** Accounts that were made under a name, more than one where two sides of a partition made one each. */
  readonly claims = new Map<string, Set<AccountId>>()
  readonly aliases = new Map<string, string[]>()
  /** Letters taken by servers outside: `<n> <address>`, each time from whom and when. */
  readonly outside = new Map<string, Take[]>()
  readonly crashed: Take[] = []
  /** Recipients of whom a sender was told that they failed: `<n> <address>`. */
  readonly bounced = new Map<string, number>()
  crashes = 0
  partitions = 0
  users = 0

  claim(address: string, account: AccountId): void {
    const accounts = this.claims.get(address) ?? new Set()
    accounts.add(account)
    this.claims.set(address, accounts)
  }

  /** The addresses that a recipient stands for. */
  targets(address: string): string[] {
    return this.aliases.get(address) ?? [address]
  }

  get acknowledged(): number {
    return this.letters.filter((letter) => letter.acknowledged).length
  }

  /** A server outside has taken a letter for these. */
  takenOutside(n: number, addresses: readonly string[], take: Take): void {
    for (const address of addresses) {
      const takes = this.outside.get(`${n} ${address}`) ?? []
      takes.push(take)
      this.outside.set(`${n} ${address}`, takes)
    }
  }

  /**
   * How often servers outside have it, without those times after which the node that had sent it crashed before it can have
   * written that down: it must send again then (RFC 1047).
   */
  copiesOutside(n: number, address: string): number {
    const takes = this.outside.get(`${n} ${address}`) ?? []
    const isForgotten = (take: Take) =>
      this.crashed.some(({ node, atMs }) => node === take.node && atMs >= take.atMs && atMs - take.atMs < smtpWindowMs)
    return takes.filter((take, at) => at === takes.length - 1 || !isForgotten(take)).length
  }

  readNotice(bytes: Buffer): void {
    const text = bytes.toString('latin1')
    if (!/^Action: failed/im.test(text)) return
    for (const [, address] of text.matchAll(/^Final-Recipient: rfc822; ?(\S+)/gim)) {
      count(this.bounced, `${letterNumber(bytes)} ${address}`)
    }
  }
}

export function count(into: Map<string, number>, key: string): void {
  into.set(key, (into.get(key) ?? 0) + 1)
}

export function messageIdOf(n: number): string {
  return `sim-${n}@client.example`
}

/** The number of a simulated letter in its bytes, or in a notice that gives its header back; -1 where there is none. */
export function letterNumber(bytes: Buffer): number {
  const at = bytes.indexOf('<sim-')
  if (at < 0) return -1
  return Number.parseInt(bytes.subarray(at + 5, at + 20).toString('latin1'), 10)
}

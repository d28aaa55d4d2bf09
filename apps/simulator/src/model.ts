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

export class Model {
  readonly letters: ModelLetter[] = []
  /** Accounts that were made under a name, more than one where two sides of a partition made one each. */
  readonly claims = new Map<string, Set<AccountId>>()
  readonly aliases = new Map<string, string[]>()
  /** Letters taken by servers outside: `<n> <address>` and how often. */
  readonly outside = new Map<string, number>()
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
  takenOutside(n: number, addresses: readonly string[]): void {
    for (const address of addresses) count(this.outside, `${n} ${address}`)
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

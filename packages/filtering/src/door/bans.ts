// Addresses that every node sends away for a while, and the operator's word against it.
import { type Clock, clientKey } from '@skein/runtime'
import type { Judgement } from '../judgement/judgement.ts'
import type { DoorLimits } from './limits.ts'

export interface Ban {
  /** An IPv4 address or an IPv6 /64. */
  address: string
  reason: string
  sinceMs: number
  untilMs: number
  /** Node that said so. */
  by: string
}

export class Bans {
  readonly #judgement: Judgement
  readonly #clock: Clock
  readonly #limits: DoorLimits

  constructor({ judgement, clock }: { judgement: Judgement; clock: Clock }, limits: DoorLimits) {
    this.#judgement = judgement
    this.#clock = clock
    this.#limits = limits
  }

  of(address: string): Ban | undefined {
    const key = clientKey(address)
    const bans = this.#judgement.about('ban', key)
    if (bans.length === 0) return undefined
    const pardonedMs = this.#pardonedMs(key)
    return bans
      .map(({ author, record }) => banOf(author, record))
      .filter(({ sinceMs, untilMs }) => sinceMs > pardonedMs && untilMs > this.#clock.nowMs())
      .toSorted((a, b) => b.untilMs - a.untilMs)[0]
  }

  list(): Ban[] {
    const addresses = new Set(this.#judgement.all('ban').map(({ record }) => record.key))
    return [...addresses].map((address) => this.of(address)).filter((ban) => ban !== undefined)
  }

  /** Each further one within a day is twice as long. */
  ban(address: string, reason: string): Ban {
    // Sessions that stand beside each other are one offence.
    const standing = this.of(address)
    if (standing) return standing
    const key = clientKey(address)
    const nowMs = this.#clock.nowMs()
    const pardonedMs = this.#pardonedMs(key)
    const earlier = this.#judgement
      .about('ban', key)
      .filter(({ record }) => (record.values[0] ?? 0) > pardonedMs)
      .map(({ record }) => Math.min(10, Math.max(0, record.values[2] ?? 0)))
    const times = Math.max(0, ...earlier) + 1
    const { banFirstMs, banMaxMs } = this.#limits
    const untilMs = nowMs + Math.min(banMaxMs, banFirstMs * 2 ** (times - 1))
    // Kept for a day, so that the next one is known to be the next.
    this.#judgement.say('ban', key, { values: [nowMs, untilMs, times], untilMs: nowMs + banMaxMs, note: reason })
    return { address: key, reason, sinceMs: nowMs, untilMs, by: this.#judgement.self }
  }

  /** Lifts every ban that stands now. @returns whether there was one */
  pardon(address: string): boolean {
    if (!this.of(address)) return false
    const nowMs = this.#clock.nowMs()
    const untilMs = nowMs + this.#limits.banMaxMs
    this.#judgement.say('pardon', clientKey(address), { values: [nowMs], untilMs })
    return true
  }

  #pardonedMs(key: string): number {
    const nowMs = this.#clock.nowMs()
    const pardons = this.#judgement.about('pardon', key).map(({ record }) => record.values[0] ?? 0)
    // Nobody pardons what has not happened yet.
    return Math.min(nowMs, Math.max(0, ...pardons))
  }
}

function banOf(
  author: string,
  { key, note, values, untilMs }: { key: string; note: string; values: readonly number[]; untilMs: number },
): Ban {
  return {
    address: key,
    reason: note,
    sinceMs: values[0] ?? 0,
    untilMs: Math.min(values[1] ?? 0, untilMs),
    by: author,
  }
}

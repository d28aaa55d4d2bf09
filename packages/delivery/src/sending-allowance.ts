// How much one user may send: letters and recipients, in an hour and in a day, over all nodes as far as they have heard of each
// other. A stolen password must not become the world's spam; who reaches the end is told to try later, and nothing is lost.
import type { AccountId } from '@skein/accounts'
import { SkeinError, type Clock } from '@skein/runtime'
import type { DeliveryLimits } from './limits.ts'
import type { RecipientVerdict } from './ports.ts'

type AllowanceLimits = Pick<
  DeliveryLimits,
  'userLettersPerHourMax' | 'userRecipientsPerHourMax' | 'userRecipientsPerDayMax' | 'userAllowancesMax'
>

/** What users spend at other nodes. Amounts fade within the window. */
export interface SpentElsewhere {
  /** Tells the others. @param max of the window: the others hear of each part of it */
  note(what: string, account: AccountId, amount: number, window: { lengthMs: number; max: number }): void
  amount(what: string, account: AccountId, window: { lengthMs: number; max: number }): number
}

/** A bucket (as many as fit in the time) that fills evenly. */
interface Bucket {
  what: string
  max: number
  fillMs: number
  left: number
  atMs: number
}

const hourMs = 3600_000

export class SendingAllowance {
  readonly #clock: Clock
  readonly #limits: AllowanceLimits
  readonly #elsewhere: SpentElsewhere | undefined
  readonly #buckets = new Map<AccountId, { letters: Bucket[]; recipients: Bucket[] }>()

  constructor(clock: Clock, limits: AllowanceLimits, elsewhere?: SpentElsewhere) {
    this.#clock = clock
    this.#limits = limits
    this.#elsewhere = elsewhere
  }

  /** May he send one more letter, and that letter one more recipient. Undefined: yes. */
  refusal(account: AccountId): RecipientVerdict | undefined {
    const { letters, recipients } = this.#buckets.get(account) ?? this.#fresh()
    const empty = [...letters, ...recipients].find((bucket) => this.#left(bucket, account) < 1)
    return empty && { kind: 'refused', code: 450, status: '4.7.1', text: this.#sentence(empty, 1, account) }
  }

  /** @throws SkeinError `sending-too-much`; nothing is taken then */
  take(account: AccountId, recipients: number): void {
    const known = this.#buckets.get(account) ?? this.#fresh()
    const spending = [
      ...known.letters.map((bucket) => ({ bucket, amount: 1 })),
      ...known.recipients.map((bucket) => ({ bucket, amount: recipients })),
    ]
    for (const { bucket, amount } of spending) {
      // A letter to more than ever fit at once goes while nothing else has been sent.
      if (this.#left(bucket, account) >= Math.min(amount, bucket.max)) continue
      throw new SkeinError('sending-too-much', 'temporary', this.#sentence(bucket, amount, account))
    }
    for (const { bucket, amount } of spending) {
      bucket.left -= amount
      this.#elsewhere?.note(bucket.what, account, amount, windowOf(bucket))
    }
    this.#buckets.delete(account)
    this.#buckets.set(account, known)
    const oldest = this.#buckets.size > this.#limits.userAllowancesMax ? this.#buckets.keys().next().value : undefined
    if (oldest !== undefined) this.#buckets.delete(oldest)
  }

  #fresh(): { letters: Bucket[]; recipients: Bucket[] } {
    const { userLettersPerHourMax, userRecipientsPerHourMax, userRecipientsPerDayMax } = this.#limits
    const atMs = this.#clock.monotonicMs()
    // 0: no end.
    const bucket = (what: string, max: number, fillMs: number) =>
      max > 0 ? [{ what, max, fillMs, left: max, atMs }] : []
    return {
      letters: bucket('letters an hour', userLettersPerHourMax, hourMs),
      recipients: [
        ...bucket('recipients an hour', userRecipientsPerHourMax, hourMs),
        ...bucket('recipients a day', userRecipientsPerDayMax, 24 * hourMs),
      ],
    }
  }

  #left(bucket: Bucket, account: AccountId): number {
    const nowMs = this.#clock.monotonicMs()
    bucket.left = Math.min(bucket.max, bucket.left + ((nowMs - bucket.atMs) * bucket.max) / bucket.fillMs)
    bucket.atMs = nowMs
    return bucket.left - (this.#elsewhere?.amount(bucket.what, account, windowOf(bucket)) ?? 0)
  }

  #sentence(bucket: Bucket, amount: number, account: AccountId): string {
    const { what, max, fillMs } = bucket
    const waitMs = ((Math.min(amount, max) - this.#left(bucket, account)) * fillMs) / max
    const minutes = Math.max(1, Math.ceil(waitMs / 60_000))
    return `${max} ${what} are the most that one user may send; try again in ${minutes} min`
  }
}

function windowOf({ fillMs, max }: Bucket): { lengthMs: number; max: number } {
  return { lengthMs: fillMs, max }
}

// How much one user may send through this node: letters and recipients, in an hour and in a day. A stolen password must not
// become the world's spam; who reaches the end is told to try later, and nothing is lost.
import type { AccountId } from '@skein/accounts'
import { SkeinError, type Clock } from '@skein/runtime'
import type { DeliveryLimits, RecipientVerdict } from './ports.ts'

type AllowanceLimits = Pick<
  DeliveryLimits,
  'userLettersPerHourMax' | 'userRecipientsPerHourMax' | 'userRecipientsPerDayMax' | 'userAllowancesMax'
>

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
  readonly #buckets = new Map<AccountId, { letters: Bucket[]; recipients: Bucket[] }>()

  constructor(clock: Clock, limits: AllowanceLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** May he send one more letter, and that letter one more recipient. Undefined: yes. */
  refusal(account: AccountId): RecipientVerdict | undefined {
    const known = this.#buckets.get(account)
    const empty = known && [...known.letters, ...known.recipients].find((bucket) => this.#filled(bucket).left < 1)
    return empty && { kind: 'refused', code: 450, status: '4.7.1', text: this.#sentence(empty, 1) }
  }

  /** @throws SkeinError `sending-too-much`; nothing is taken then */
  take(account: AccountId, recipients: number): void {
    const known = this.#buckets.get(account) ?? this.#fresh()
    for (const [buckets, amount] of [
      [known.letters, 1],
      [known.recipients, recipients],
    ] as const) {
      // A letter to more than ever fit at once goes while nothing else has been sent.
      const short = buckets.find((bucket) => this.#filled(bucket).left < Math.min(amount, bucket.max))
      if (short) throw new SkeinError('sending-too-much', 'temporary', this.#sentence(short, amount))
    }
    for (const bucket of known.letters) bucket.left -= 1
    for (const bucket of known.recipients) bucket.left -= recipients
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

  #filled(bucket: Bucket): Bucket {
    const nowMs = this.#clock.monotonicMs()
    bucket.left = Math.min(bucket.max, bucket.left + ((nowMs - bucket.atMs) * bucket.max) / bucket.fillMs)
    bucket.atMs = nowMs
    return bucket
  }

  #sentence({ what, max, left, fillMs }: Bucket, amount: number): string {
    const waitMs = ((Math.min(amount, max) - left) * fillMs) / max
    const minutes = Math.max(1, Math.ceil(waitMs / 60_000))
    return `${max} ${what} are the most that one user may send; try again in ${minutes} min`
  }
}

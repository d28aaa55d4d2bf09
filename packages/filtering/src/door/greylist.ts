// Greylisting (RFC 6647): a sender whom nobody knows is asked to come back, which costs a mail system nothing and a bot its letter.
// Promises: a letter tried again at any node after the pause passes, for what one node has seen all nodes know.
import { splitAddress } from '@skein/mail'
import type { Clock } from '@skein/runtime'
import type { Judgement } from '../judgement/judgement.ts'
import type { DoorLimits } from './limits.ts'
import type { SubjectHash } from './subject-hash.ts'

export interface GreylistParts {
  judgement: Judgement
  clock: Clock
  hash: SubjectHash
}

export interface Tuple {
  network: string
  from: string
  to: string
}

/** pass: known. returned: it has just come back. wait: in so many milliseconds. */
export type GreylistVerdict = { kind: 'pass' | 'returned' } | { kind: 'wait'; waitMs: number }

/** Senders that are another one for each letter or recipient (VERP, BATV, SRS) are taken as one. */
export function lastingSender(address: string): string {
  if (address === '') return ''
  const { local, domain } = splitAddress(address.toLowerCase())
  const plain = local
    .replace(/^(?:prvs|btv1)=+[^=]*=+/, '')
    .replace(/^(srs[01])[=+-].*$/, '$1')
    // bounce+anna=example.org@, bounces-1234-anna=example.org@
    .replace(/[-+][^-+]*=.*$/, '')
    .replace(/\+.*$/, '')
    .replace(/[0-9a-f]{8,}|\d+/g, '#')
  return `${plain}@${domain}`
}

export class Greylist {
  readonly #parts: GreylistParts
  readonly #limits: DoorLimits

  constructor(parts: GreylistParts, limits: DoorLimits) {
    this.#parts = parts
    this.#limits = limits
  }

  ask({ network, from, to }: Tuple): GreylistVerdict {
    const { judgement, clock, hash } = this.#parts
    const { greylistPauseMs, greylistRetryWithinMs, greylistKeepMs } = this.#limits
    const nowMs = clock.nowMs()
    const key = hash(network, lastingSender(from), to.toLowerCase())
    let firstMs = Infinity
    let passedMs = 0
    for (const { record } of judgement.about('grey', key)) {
      firstMs = Math.min(firstMs, record.values[0] ?? nowMs)
      passedMs = Math.max(passedMs, record.values[1] ?? 0)
    }
    if (passedMs > 0) {
      const until = judgement.own('grey', key)?.untilMs ?? 0
      // Said anew only now and then: a letter each minute is not news.
      if (until < nowMs + greylistKeepMs / 2) this.#say(key, firstMs, nowMs, greylistKeepMs)
      return { kind: 'pass' }
    }
    if (firstMs === Infinity) {
      this.#say(key, nowMs, 0, greylistRetryWithinMs)
      return { kind: 'wait', waitMs: greylistPauseMs }
    }
    const waitMs = firstMs + greylistPauseMs - nowMs
    if (waitMs > 0) return { kind: 'wait', waitMs }
    this.#say(key, firstMs, nowMs, greylistKeepMs)
    return { kind: 'returned' }
  }

  #say(key: string, firstMs: number, passedMs: number, keepMs: number): void {
    const { judgement, clock } = this.#parts
    judgement.say('grey', key, { values: [firstMs, passedMs], untilMs: clock.nowMs() + keepMs })
  }
}

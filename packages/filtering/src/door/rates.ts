// Limits by name: so many in a window, over all nodes. A burst up to the limit is let through, and the same amount each window after.
import type { Clock } from '@skein/runtime'
import type { Judgement } from '../judgement/judgement.ts'
import { type CountRule, DecayingCounts } from './decaying-counts.ts'

export interface Rate {
  /** Part of the key under which nodes count together. */
  name: string
  max: number
  windowMs: number
}

/** The others are told of each twentieth of a limit. */
const tellShare = 0.05

export class Rates {
  readonly #counts: DecayingCounts

  constructor(parts: { judgement: Judgement; clock: Clock }, countsMax: number) {
    this.#counts = new DecayingCounts(parts, 'use', countsMax)
  }

  level(rate: Rate, subject: string): number {
    return this.#counts.level(keyOf(rate, subject), ruleOf(rate))
  }

  add(rate: Rate, subject: string, amount = 1): number {
    this.#counts.add(keyOf(rate, subject), amount, ruleOf(rate))
    return this.level(rate, subject)
  }

  /** Takes one where the limit allows it. @returns 0, or in how many milliseconds there will be room */
  take(rate: Rate, subject: string, times = 1): number {
    const max = rate.max * times
    const level = this.level(rate, subject)
    if (level + 1 > max) return max <= 1 ? rate.windowMs : Math.ceil(rate.windowMs * Math.log(level / (max - 1)))
    this.#counts.add(keyOf(rate, subject), 1, ruleOf(rate))
    return 0
  }
}

function keyOf({ name }: Rate, subject: string): string {
  return `${name} ${subject}`
}

function ruleOf({ max, windowMs }: Rate): CountRule {
  return { fadesMs: windowMs, tellStep: Math.max(1, max * tellShare), wordMax: max }
}

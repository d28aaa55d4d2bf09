// The name that a network has made for itself: letters taken against unknown recipients, refusals and bans, fading over weeks.
import type { Clock } from '@skein/runtime'
import type { Judgement } from '../judgement/judgement.ts'
import { type CountRule, DecayingCounts } from './decaying-counts.ts'
import type { DoorLimits } from './limits.ts'

export type Standing = 'good' | 'unknown' | 'bad'

export class GoodNames {
  readonly #counts: DecayingCounts
  readonly #limits: DoorLimits
  readonly #rule: CountRule

  constructor(parts: { judgement: Judgement; clock: Clock }, limits: DoorLimits) {
    this.#limits = limits
    this.#counts = new DecayingCounts(parts, 'name', limits.countsMax)
    this.#rule = { fadesMs: limits.nameFadesMs, tellStep: 1, wordMax: limits.nameWordMax }
  }

  standing(network: string): Standing {
    const good = this.#counts.level(`good ${network}`, this.#rule)
    const bad = this.#counts.level(`bad ${network}`, this.#rule)
    const { goodNameFrom, badNameFrom } = this.#limits
    if (bad >= badNameFrom && bad > good) return 'bad'
    return good >= goodNameFrom && bad < good / 10 ? 'good' : 'unknown'
  }

  goodDeed(network: string): void {
    // Enough is enough: a busy friend need not be told of again and again.
    if (this.#counts.level(`good ${network}`, this.#rule) >= this.#limits.nameWordMax) return
    this.#counts.add(`good ${network}`, 1, this.#rule)
  }

  badDeed(network: string, weight = 1): void {
    if (this.#counts.level(`bad ${network}`, this.#rule) >= this.#limits.nameWordMax) return
    this.#counts.add(`bad ${network}`, weight, this.#rule)
  }

  /** A greylisted letter of this network was tried again, as a real mail system does. */
  cameBack(network: string): void {
    this.#counts.add(`back ${network}`, 1, this.#rule)
  }

  comesBack(network: string): boolean {
    // A little less than the whole number: counts fade.
    return this.#counts.level(`back ${network}`, this.#rule) > this.#limits.greylistRetriesMax - 0.5
  }
}

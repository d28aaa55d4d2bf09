// Counts that fade, added up over all nodes of the mesh. Each node keeps its own exactly and tells the others of it in steps.
// Exponential decay makes the sum of all nodes' counts the count of all events, whoever saw them.
import type { Clock } from '@skein/runtime'
import type { Judgement } from '../judgement/judgement.ts'
import type { JudgementKind } from '../judgement/record.ts'

interface Count {
  amount: number
  atMs: number
  /** What the others were told, at `toldMs`. */
  told: number
  toldMs: number
}

export interface CountRule {
  /** In which time a count falls by the factor e. */
  fadesMs: number
  /** The others are told when it has grown by so much. */
  tellStep: number
  /** The most that one other node's word counts. */
  wordMax: number
}

/** So many times its fading after the last change nothing is left of a count. */
const fadedAfter = 5

export class DecayingCounts {
  readonly #judgement: Judgement
  readonly #clock: Clock
  readonly #kind: JudgementKind
  readonly #countsMax: number
  readonly #counts = new Map<string, Count>()

  constructor(parts: { judgement: Judgement; clock: Clock }, kind: JudgementKind, countsMax: number) {
    this.#judgement = parts.judgement
    this.#clock = parts.clock
    this.#kind = kind
    this.#countsMax = countsMax
  }

  /** Over all nodes, now. */
  level(key: string, rule: CountRule): number {
    const nowMs = this.#clock.nowMs()
    let level = 0
    const own = this.#counts.get(key)
    if (own) level += faded(own.amount, own.atMs, nowMs, rule.fadesMs)
    for (const { author, record } of this.#judgement.about(this.#kind, key)) {
      const [amount = 0, atMs = 0] = record.values
      if (author !== this.#judgement.self) level += saidBy(record.values, rule, nowMs)
      else if (!own) level += faded(amount, atMs, nowMs, rule.fadesMs)
    }
    return level
  }

  /** What the other nodes have said. */
  elsewhere(key: string, rule: CountRule): number {
    const nowMs = this.#clock.nowMs()
    let level = 0
    for (const { author, record } of this.#judgement.about(this.#kind, key)) {
      if (author !== this.#judgement.self) level += saidBy(record.values, rule, nowMs)
    }
    return level
  }

  add(key: string, amount: number, rule: CountRule): void {
    const nowMs = this.#clock.nowMs()
    const count = this.#own(key)
    count.amount = faded(count.amount, count.atMs, nowMs, rule.fadesMs) + amount
    count.atMs = nowMs
    this.#counts.delete(key)
    this.#counts.set(key, count)
    if (this.#counts.size > this.#countsMax) {
      const oldest = this.#counts.keys().next()
      if (!oldest.done) this.#counts.delete(oldest.value)
    }
    if (count.amount - faded(count.told, count.toldMs, nowMs, rule.fadesMs) < rule.tellStep) return
    count.told = count.amount
    count.toldMs = nowMs
    const untilMs = nowMs + fadedAfter * rule.fadesMs
    this.#judgement.say(this.#kind, key, { values: [count.amount, nowMs], untilMs })
  }

  #own(key: string): Count {
    const count = this.#counts.get(key)
    if (count) return count
    // What was told before a restart.
    const [amount = 0, atMs = 0] = this.#judgement.own(this.#kind, key)?.values ?? []
    return { amount, atMs, told: amount, toldMs: atMs }
  }
}

function saidBy([amount = 0, atMs = 0]: readonly number[], { wordMax, fadesMs }: CountRule, nowMs: number): number {
  return faded(Math.min(Math.max(0, amount), wordMax), atMs, nowMs, fadesMs)
}

function faded(amount: number, atMs: number, nowMs: number, fadesMs: number): number {
  return nowMs <= atMs ? amount : amount * Math.exp((atMs - nowMs) / fadesMs)
}

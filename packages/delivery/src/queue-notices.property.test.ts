// Notices under crashes: whatever happens in whatever order, each recipient is told of as the sender asked, under one name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { newRecipient } from './bounce.ts'
import { deliveryLimits } from './limits.ts'
import { wantsNotice, type DeliveryResult, type NotifyWish, type QueueItem } from './ports.ts'
import { plainItem } from './queue-item-fixture.ts'
import { isFinal, next, openLetter, openReport, type Letter, type LetterEffect, type LetterEvent } from './queue.ts'

const limits = { ...deliveryLimits, queueLifetimeMs: 1000, delayNoticeAfterMs: 100 }
const wish = fc.constantFrom<NotifyWish>('success', 'failure', 'delay')
const asked = fc.array(fc.option(fc.uniqueArray(wish), { nil: undefined }), { minLength: 1, maxLength: 4 })
const kind = fc.constantFrom('delivered' as const, 'temporary' as const, 'permanent' as const)
const step = fc.oneof(
  fc.record({
    do: fc.constant('try' as const),
    picks: fc.array(fc.nat(3), { minLength: 1 }),
    kind,
    outside: fc.boolean(),
  }),
  fc.record({ do: fc.constant('work' as const), effects: fc.nat(3) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 300 }) }),
  fc.constant({ do: 'crash' as const }),
)

function record(wishes: readonly (NotifyWish[] | undefined)[], isList: boolean): QueueItem {
  const recipients = wishes.map((notify, index) =>
    newRecipient(index, `r${index}@x.org`, `r${index}@x.org`, 0, undefined, notify && { notify }),
  )
  return plainItem(recipients, isList ? { expansionsOwed: [{ original: 'list@test.com' }] } : {})
}

/** A letter, its record on the disk, and the notices that were written, each under its name once. */
class Life {
  letter: Letter
  durable: QueueItem
  effects: LetterEffect[]
  readonly notices = new Map<string, Set<number>>()
  isClosed = false
  nowMs = 0

  constructor(item: QueueItem) {
    this.durable = item
    const opened = openLetter(item)
    this.letter = opened.letter
    this.effects = opened.effects
  }

  crash(): void {
    if (this.isClosed) return
    const opened = openLetter(this.durable)
    this.letter = opened.letter
    this.effects = opened.effects
  }

  apply(event: LetterEvent): void {
    const { letter, effects } = next(this.letter, event, limits)
    this.letter = letter
    this.effects.push(...effects)
  }

  /** As the keeper does it: in their order. */
  work(count: number): void {
    for (let left = count; left > 0 && this.effects.length > 0; left--) {
      const effect = this.effects.shift() as LetterEffect
      if (effect.effect === 'store') this.durable = structuredClone(this.letter.item)
      else if (effect.effect === 'close') this.isClosed = true
      else if (effect.effect === 'report') {
        const open = openReport(this.letter.item, effect)
        if (!open) continue
        const name = `${effect.kind} ${effect.notice}`
        const told = this.notices.get(name) ?? new Set()
        for (const { index } of open) told.add(index)
        this.notices.set(name, told)
        this.apply({ event: 'reported', kind: effect.kind, indexes: open.map(({ index }) => index) })
      }
    }
  }

  attempt(picks: readonly number[], result: DeliveryResult): void {
    const indexes = [...new Set(picks)].filter((index) => {
      const it = this.letter.item.recipients[index]
      return this.letter.phase === 'open' && it && !isFinal(it)
    })
    if (indexes.length === 0) return
    this.apply({ event: 'started', indexes })
    const outcomes = indexes.map((index) => ({ index, result, retryAtMs: this.nowMs }))
    this.apply({ event: 'attempted', atMs: this.nowMs, outcomes })
  }

  namesOf(index: number, of: string): number {
    return [...this.notices].filter(([name, told]) => name.startsWith(`${of} `) && told.has(index)).length
  }
}

test('success, failure and expansion: told once where it was asked, under one name, and never else', () => {
  fc.assert(
    fc.property(asked, fc.boolean(), fc.array(step, { maxLength: 30 }), (wishes, isList, steps) => {
      const life = new Life(record(wishes, isList))
      const result = (of: DeliveryResult['kind'], outside: boolean): DeliveryResult => {
        const code = { delivered: 250, temporary: 450, permanent: 550 }[of]
        const courier = outside ? 'outside' : 'peer'
        return { atMs: life.nowMs, kind: of, code, status: `${code / 100}.0.0`, text: of, courier, hop: 'h' }
      }
      for (const it of steps) {
        if (it.do === 'try') life.attempt(it.picks, result(it.kind, it.outside))
        else if (it.do === 'work') life.work(it.effects)
        else if (it.do === 'crash') life.crash()
        else {
          life.nowMs += it.ms
          if (life.letter.phase === 'open') life.apply({ event: 'aged', atMs: life.nowMs })
        }
      }
      // In the end everybody gets it, and nothing breaks any more.
      life.work(1000)
      life.attempt([0, 1, 2, 3], result('delivered', false))
      life.work(1000)
      assert.ok(life.isClosed)
      for (const { index, state, options } of life.letter.item.recipients) {
        const isWanted = (of: NotifyWish) => (wantsNotice(options, of) ? 1 : 0)
        assert.equal(life.namesOf(index, 'success'), state === 'delivered' ? isWanted('success') : 0)
        assert.equal(life.namesOf(index, 'failure'), state === 'failed' ? isWanted('failure') : 0)
        assert.ok(life.namesOf(index, 'delay') <= isWanted('delay') * 2)
      }
      assert.equal(life.notices.has('expansion 0'), isList)
    }),
    { numRuns: 2000 },
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { newRecipient } from './bounce.ts'
import type { DeliveryResult, QueueItem } from './ports.ts'
import { plainItem } from './queue-item-fixture.ts'
import {
  dueRecipients,
  isFinal,
  next,
  nextWakeMs,
  openLetter,
  type Letter,
  type LetterEffect,
  type LetterEvent,
} from './queue.ts'

const limits = { queueLifetimeMs: 1000, delayNoticeAfterMs: 100, errandKeepMs: 500 }

function item(count: number, from = 's@test.com'): QueueItem {
  const recipients = Array.from({ length: count }, (_, i) => newRecipient(i, `r${i}@test.com`, `r${i}@test.com`, 0))
  return plainItem(recipients, { from })
}

function result(kind: DeliveryResult['kind'], courier: DeliveryResult['courier'] = 'peer'): DeliveryResult {
  const code = { delivered: 250, temporary: 450, permanent: 550 }[kind]
  return { atMs: 1, kind, code, status: `${code / 100}.0.0`, text: kind, courier, hop: 'h' }
}

const attempt = (
  index: number,
  kind: DeliveryResult['kind'],
  courier?: DeliveryResult['courier'],
  atMs = 1,
): LetterEvent => ({
  event: 'attempted',
  atMs,
  outcomes: [{ index, result: result(kind, courier), retryAtMs: atMs + 50 }],
})

/** Feeds events and collects effects but traces. */
function run(letter: Letter, ...events: LetterEvent[]): { letter: Letter; effects: string[] } {
  const effects: LetterEffect[] = []
  let now = letter
  for (const event of events) {
    const step = next(now, event, limits)
    now = step.letter
    effects.push(...step.effects)
  }
  const names = effects.flatMap((it) =>
    it.effect === 'trace' ? [] : it.effect === 'report' ? [`report ${it.kind} ${it.indexes.join()}`] : [it.effect],
  )
  return { letter: now, effects: names }
}

const open = (count: number, from?: string) => openLetter(item(count, from)).letter

test('a letter that every mailbox or peer took is closed without another write', () => {
  const { letter, effects } = run(
    open(2),
    { event: 'started', indexes: [0, 1] },
    attempt(0, 'delivered', 'local'),
    attempt(1, 'delivered'),
  )
  assert.equal(letter.phase, 'closed')
  assert.deepEqual(effects, ['store', 'close'])
  assert.deepEqual(run(open(1), { event: 'started', indexes: [0] }, attempt(0, 'delivered')).effects, ['close'])
})

test('what an outside server took is written down first: it would take it again', () => {
  assert.deepEqual(run(open(1), attempt(0, 'delivered', 'outside')).effects, ['store', 'close'])
})

test('a failed recipient is stored, then reported, then forgotten', () => {
  const failed = run(open(2), attempt(0, 'permanent'))
  assert.deepEqual(failed.effects, ['store', 'report failure 0'])
  assert.equal(failed.letter.phase, 'open')
  const rest = run(failed.letter, { event: 'reported', kind: 'failure', indexes: [0] }, attempt(1, 'delivered'))
  assert.deepEqual(rest.effects, ['store', 'store', 'close'])
  assert.equal(rest.letter.phase, 'closed')
})

test('those that fail in one step are told of in one notice, also after a crash', () => {
  const both: LetterEvent = {
    event: 'attempted',
    atMs: 1,
    outcomes: [1, 2].map((index) => ({ index, result: result('permanent'), retryAtMs: 0 })),
  }
  const failed = run(open(4), attempt(0, 'permanent'), both)
  assert.deepEqual(failed.effects, ['store', 'report failure 0', 'store', 'report failure 0', 'report failure 1,2'])
  const again = openLetter(failed.letter.item)
  assert.deepEqual(
    again.effects.map((it) => it.effect === 'report' && [it.notice, it.indexes]),
    [
      [0, [0]],
      [1, [1, 2]],
    ],
  )
})

test('a letter whose last recipient fails waits for the notice, and closes with it', () => {
  const failed = run(open(1), attempt(0, 'permanent'))
  assert.equal(failed.letter.phase, 'reporting')
  const told = run(failed.letter, { event: 'reported', kind: 'failure', indexes: [0] })
  assert.deepEqual([told.letter.phase, told.effects], ['closed', ['close']])
})

test('a notice that fails is not reported to anybody', () => {
  const failed = run(open(1, ''), attempt(0, 'permanent'))
  assert.deepEqual([failed.letter.phase, failed.effects], ['closed', ['store', 'close']])
})

test('a temporary result waits until its time, counted; at the end of its life it fails', () => {
  const waiting = run(open(1), { event: 'started', indexes: [0] }, attempt(0, 'temporary'))
  assert.deepEqual(waiting.effects, ['store'])
  assert.deepEqual(dueRecipients(waiting.letter, 50), [])
  assert.equal(dueRecipients(waiting.letter, 51)[0]?.attempts, 1)
  const late = run(waiting.letter, attempt(0, 'temporary', 'peer', 1000))
  assert.equal(late.letter.item.recipients[0]?.state, 'failed')
})

test('age: one notice of delay, then failure; whoever was never tried gets one attempt', () => {
  const tried = run(open(2), attempt(0, 'temporary')).letter
  const delayed = run(tried, { event: 'aged', atMs: 100 })
  assert.deepEqual(delayed.effects, ['report delay 0,1'])
  const told = run(delayed.letter, { event: 'reported', kind: 'delay', indexes: [0, 1] }, { event: 'aged', atMs: 200 })
  assert.deepEqual(told.effects, ['store'])
  const old = run(told.letter, { event: 'aged', atMs: 1000 })
  assert.deepEqual(old.effects, ['store', 'report failure 0'])
  assert.deepEqual(
    old.letter.item.recipients.map((it) => it.state),
    ['failed', 'pending'],
  )
})

test('a notice is not followed by a notice of its own delay', () => {
  assert.deepEqual(run(open(1, ''), { event: 'aged', atMs: 500 }).effects, [])
})

test('held recipients are left alone until released; a result that comes meanwhile counts', () => {
  const held = run(open(2), { event: 'started', indexes: [1] }, { event: 'hold' })
  assert.deepEqual(dueRecipients(held.letter, 1e9), [])
  assert.equal(nextWakeMs(held.letter, new Set(), limits), undefined)
  const delivered = run(held.letter, attempt(1, 'delivered'))
  assert.deepEqual(
    delivered.letter.item.recipients.map((it) => it.state),
    ['held', 'delivered'],
  )
  const released = run(delivered.letter, { event: 'release', atMs: 7 })
  assert.deepEqual(
    dueRecipients(released.letter, 7).map((it) => it.index),
    [0],
  )
})

test('cancelling ends who waits at once and who is under way when he comes back; delivered stays delivered', () => {
  const cancelled = run(open(3), { event: 'started', indexes: [0, 1] }, { event: 'cancel', atMs: 5, silent: false })
  assert.equal(cancelled.letter.phase, 'open')
  assert.deepEqual(cancelled.effects, ['store', 'report failure 2'])
  const back = run(cancelled.letter, attempt(0, 'delivered'), attempt(1, 'temporary'))
  assert.deepEqual(
    back.letter.item.recipients.map((it) => it.state),
    ['delivered', 'cancelled', 'cancelled'],
  )
  assert.equal(back.letter.phase, 'reporting')
  const silent = run(open(1), { event: 'cancel', atMs: 5, silent: true })
  assert.deepEqual([silent.letter.phase, silent.effects], ['closed', ['store', 'close']])
})

test('a destination that is down is no attempt of the letter', () => {
  const deferred = run(
    open(1),
    { event: 'started', indexes: [0] },
    { event: 'deferred', indexes: [0], untilMs: 70, result: result('temporary') },
  )
  assert.deepEqual(deferred.effects, [])
  const [it] = deferred.letter.item.recipients
  assert.deepEqual([it?.attempts, it?.nextAttemptMs, it?.lastResult?.kind], [0, 70, 'temporary'])
  assert.equal(nextWakeMs(deferred.letter, new Set(), limits), 70)
  assert.equal(nextWakeMs(deferred.letter, new Set([0]), limits), 100)
})

const anyEvent: fc.Arbitrary<LetterEvent> = fc.oneof(
  fc.record({
    event: fc.constant('attempted' as const),
    atMs: fc.integer({ min: 0, max: 2000 }),
    outcomes: fc.array(
      fc.record({
        index: fc.integer({ min: 0, max: 3 }),
        result: fc.constantFrom(
          result('delivered'),
          result('delivered', 'outside'),
          result('temporary'),
          result('permanent'),
        ),
        retryAtMs: fc.integer({ min: 0, max: 2000 }),
      }),
      { maxLength: 3 },
    ),
  }),
  fc.record({ event: fc.constant('aged' as const), atMs: fc.integer({ min: 0, max: 2000 }) }),
  fc.record({ event: fc.constant('cancel' as const), atMs: fc.constant(1), silent: fc.boolean() }),
  fc.constantFrom<LetterEvent>({ event: 'hold' }, { event: 'release', atMs: 1 }, { event: 'retry', atMs: 1 }),
  fc.record({
    event: fc.constant('reported' as const),
    kind: fc.constantFrom('failure' as const, 'delay' as const),
    indexes: fc.array(fc.integer({ min: 0, max: 3 })),
  }),
)

test('whatever happens in whatever order: final stays final, nothing is closed that owes, each failure is owed a notice once', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 25 }), (events) => {
      let letter = open(4)
      const reported = new Map<number, number>()
      for (const event of events) {
        const before = letter
        const step = next(letter, event, limits)
        letter = step.letter
        for (const effect of step.effects) {
          if (effect.effect === 'report' && effect.kind === 'failure') {
            for (const index of effect.indexes) reported.set(index, effect.notice)
          }
        }
        letter.item.recipients.forEach((after, at) => {
          const was = before.item.recipients[at]
          if (was && isFinal(was)) assert.equal(after.state, was.state)
          if (after.noticeOwed !== undefined) assert.ok(isFinal(after))
          // Owed notices keep their name, so that a crash writes the same letter again.
          if (after.noticeOwed !== undefined && reported.has(at)) assert.equal(reported.get(at), after.noticeOwed)
        })
        const allFinal = letter.item.recipients.every(isFinal)
        const owed = letter.item.recipients.some((it) => it.noticeOwed !== undefined)
        assert.equal(letter.phase, allFinal ? (owed ? 'reporting' : 'closed') : 'open')
      }
    }),
    { numRuns: 500 },
  )
})

const kinds = fc.constantFrom('delivered' as const, 'temporary' as const, 'permanent' as const)
const anyStep = fc.oneof(
  fc.record({ do: fc.constant('start' as const), pick: fc.nat() }),
  fc.record({ do: fc.constant('finish' as const), pick: fc.nat(), kind: kinds, outside: fc.boolean() }),
  fc.record({ do: fc.constant('down' as const), pick: fc.nat() }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 400 }) }),
  fc.record({ do: fc.constantFrom('hold' as const, 'release' as const, 'retry' as const) }),
  fc.record({ do: fc.constant('cancel' as const), silent: fc.boolean() }),
)

test('couriers, time and operators in any order: a letter that everyone is done with is over, and owes nothing for ever', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
      let letter = open(4)
      let nowMs = 0
      const apply = (event: LetterEvent) => {
        const step = next(letter, event, limits)
        letter = step.letter
        for (const effect of step.effects) {
          if (effect.effect === 'report') apply({ event: 'reported', kind: effect.kind, indexes: effect.indexes })
        }
      }
      const running = () => (letter.phase === 'open' ? [...letter.running] : [])
      const finish = (index: number, kind: DeliveryResult['kind'], courier: DeliveryResult['courier']) =>
        apply({
          event: 'attempted',
          atMs: nowMs,
          outcomes: [{ index, result: result(kind, courier), retryAtMs: nowMs + 50 }],
        })
      for (const step of steps) {
        const due = dueRecipients(letter, nowMs)
        const busy = running()
        if (step.do === 'start') {
          const it = due[step.pick % Math.max(1, due.length)]
          if (it) apply({ event: 'started', indexes: [it.index] })
        } else if (step.do === 'finish' || step.do === 'down') {
          const index = busy[step.pick % Math.max(1, busy.length)]
          if (index === undefined) continue
          if (step.do === 'finish') finish(index, step.kind, step.outside ? 'outside' : 'peer')
          else apply({ event: 'deferred', indexes: [index], untilMs: nowMs + 50, result: result('temporary') })
        } else if (step.do === 'pass') {
          nowMs += step.ms
          apply({ event: 'aged', atMs: nowMs })
        } else if (step.do === 'cancel') apply({ event: 'cancel', atMs: nowMs, silent: step.silent })
        else apply(step.do === 'hold' ? { event: 'hold' } : { event: step.do, atMs: nowMs })
      }
      apply({ event: 'retry', atMs: nowMs })
      for (const { index } of dueRecipients(letter, nowMs)) apply({ event: 'started', indexes: [index] })
      for (const index of running()) finish(index, 'delivered', 'peer')
      assert.equal(letter.phase, 'closed')
      assert.ok(letter.item.recipients.every((it) => isFinal(it) && it.noticeOwed === undefined))
    }),
    { numRuns: 1000 },
  )
})

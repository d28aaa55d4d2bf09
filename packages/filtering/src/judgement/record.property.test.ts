import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SkeinError, encodeCbor } from '@skein/runtime'
import fc from 'fast-check'
import { judgementKeepLimits, judgementLimits } from './limits.ts'
import { type JudgementRecord, decodePush, decodeRecord, encodePush, encodeRecord, judgementKinds } from './record.ts'

const nowMs = Date.UTC(2026, 0, 1)

const anyRecord: fc.Arbitrary<JudgementRecord> = fc.record(
  {
    kind: fc.constantFrom(...judgementKinds),
    key: fc.string({ unit: 'grapheme', maxLength: 10 }),
    seq: fc.maxSafeNat(),
    untilMs: fc.integer({ min: 0, max: nowMs }),
    values: fc.array(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value)),
      { maxLength: 4 },
    ),
    note: fc.string({ maxLength: 20 }),
  },
  { noNullPrototype: true },
)

test('what is encoded is decoded, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 20 }), fc.nat(), fc.nat(), (records, after, more) => {
      const push = { after, upTo: after + more, records }
      assert.deepEqual(decodePush(encodePush(push), nowMs), push)
      for (const record of records) assert.deepEqual(decodeRecord(encodeRecord(record), nowMs), record)
    }),
  )
})

function refuses(bytes: Uint8Array): boolean {
  try {
    decodePush(bytes, nowMs)
    return false
  } catch (error) {
    assert.ok(error instanceof SkeinError && error.kind === 'refused', String(error))
    return true
  }
}

test('random bytes and random data are refused in the words of the house', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void refuses(bytes)))
  const anything = fc.anything({ withBigInt: false, withDate: false, withMap: false, withSet: false })
  const broken = fc.record({ after: anything, upTo: anything, records: fc.oneof(anything, fc.array(anything)) })
  fc.assert(
    fc.property(broken, (value) => {
      let bytes: Uint8Array
      try {
        bytes = encodeCbor(value)
      } catch {
        return
      }
      refuses(bytes)
    }),
  )
})

const good: JudgementRecord = { kind: 'ban', key: '192.0.2.1', seq: 1, untilMs: nowMs + 1, values: [1], note: '' }
const hostile: [string, unknown][] = [
  ['a key that is too long', [[good.kind, 'x'.repeat(judgementLimits.keyCharactersMax + 1), 1, nowMs, [1]]]],
  ['a note that is too long', [[good.kind, 'x', 1, nowMs, [1], 'x'.repeat(judgementLimits.noteCharactersMax + 1)]]],
  ['too many values', [[good.kind, 'x', 1, nowMs, [1, 2, 3, 4, 5]]]],
  ['a value that is not a number', [[good.kind, 'x', 1, nowMs, ['1']]]],
  ['no number', [[good.kind, 'x', 1.5, nowMs, [1]]]],
  ['a negative number', [[good.kind, 'x', -1, nowMs, [1]]]],
  ['an endless end', [[good.kind, 'x', 1, Infinity, [1]]]],
  ['too many records', Array.from({ length: judgementLimits.recordsPerPushMax + 1 }, () => ['ban', 'x', 1, nowMs, []])],
]
for (const [what, records] of hostile) {
  test(`refused: ${what}`, () => {
    assert.ok(refuses(encodeCbor({ after: 0, upTo: 1, records })))
  })
}

test('nobody can speak for longer than its kind is kept', () => {
  const forever = { ...good, untilMs: nowMs + 10 ** 12 }
  assert.equal(decodeRecord(encodeRecord(forever), nowMs)?.untilMs, nowMs + judgementKeepLimits.banMs)
})

test('a kind of a later version is passed over', () => {
  const bytes = encodeCbor({
    after: 0,
    upTo: 2,
    records: [
      ['scent', 'x', 1, nowMs, []],
      ['ban', 'x', 2, nowMs, []],
    ],
  })
  assert.deepEqual(
    decodePush(bytes, nowMs).records.map(({ kind }) => kind),
    ['ban'],
  )
})

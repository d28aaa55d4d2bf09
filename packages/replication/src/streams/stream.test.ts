import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decodeHead,
  emptyStream,
  encodeHead,
  headSeq,
  standingOfBatch,
  tipsAfter,
  tipsAfterCheckpoint,
} from './stream.ts'
import type { BatchStanding, StreamState } from './stream.ts'

const name = (text: string) => Buffer.from(text.padEnd(32, '.')).toString('hex')
const stream = { author: 'a', document: 'node' }

function state(tips: [number, string][], checkpointSeq = 0): StreamState {
  return { ...emptyStream(stream), tips: tips.map(([seq, hash]) => ({ seq, hash: name(hash) })), checkpointSeq }
}

const cases: [
  what: string,
  StreamState,
  seq: number,
  hash: string,
  previous: string[],
  stored: string[],
  BatchStanding,
][] = [
  ['the first', state([]), 1, 'a1', [], [], 'next'],
  ['the next', state([[4, 'a4']]), 5, 'a5', ['a4'], [], 'next'],
  ['the last once more', state([[4, 'a4']]), 4, 'a4', ['a3'], [], 'known'],
  ['an earlier one once more', state([[4, 'a4']]), 2, 'a2', ['a1'], ['a2'], 'known'],
  ['one too far', state([[4, 'a4']]), 6, 'a6', ['a5'], [], 'gap'],
  ['a start that is not the first', state([]), 3, 'a3', ['a2'], [], 'gap'],
  ['the next of a line that is not here', state([[4, 'a4']]), 5, 'b5', ['b4'], [], 'gap'],
  ['another with a number that is taken', state([[4, 'a4']]), 4, 'b4', ['a3'], ['a3'], 'fork'],
  ['another first', state([[4, 'a4']]), 1, 'b1', [], [], 'fork'],
  [
    'the next of the other line',
    state([
      [4, 'b4'],
      [6, 'a6'],
    ]),
    5,
    'b5',
    ['b4'],
    [],
    'next',
  ],
  [
    'one that joins both lines',
    state([
      [4, 'b4'],
      [6, 'a6'],
    ]),
    7,
    'j7',
    ['b4', 'a6'],
    [],
    'next',
  ],
  ['one that joins a line that is not here', state([[6, 'a6']]), 7, 'j7', ['b4', 'a6'], [], 'gap'],
  ['one that the snapshot may hold', state([[9, 'a9']], 8), 5, 'x5', ['x4'], [], 'old'],
  ['the next after the snapshot', state([[8, 'a8']], 8), 9, 'a9', ['a8'], [], 'next'],
  ['another right after the snapshot', state([[9, 'a9']], 8), 9, 'b9', ['x8'], [], 'fork'],
  ['one that says it follows a later number', state([[4, 'a4']]), 3, 'x3', ['a4'], [], 'fork'],
]

test('what a batch means to what is here', async () => {
  for (const [what, known, seq, hash, previous, stored, expected] of cases) {
    const batch = { seq, hash: name(hash), previous: previous.map(name) }
    const standing = await standingOfBatch(known, batch, async (_seq, asked) => stored.map(name).includes(asked))
    assert.equal(standing, expected, what)
  }
})

test('the ends of a chain', () => {
  const both = state([
    [4, 'b4'],
    [6, 'a6'],
  ])
  assert.equal(headSeq(both), 6)
  const joined = tipsAfter(both.tips, { seq: 7, hash: name('j7'), previous: [name('b4'), name('a6')] })
  assert.deepEqual(joined, [{ seq: 7, hash: name('j7') }])
  assert.equal(tipsAfter(both.tips, { seq: 5, hash: name('b5'), previous: [name('b4')] }).length, 2)
  const checkpoint = { seq: 6, tips: [name('a6')] }
  assert.deepEqual(tipsAfterCheckpoint(state([[3, 'a3']]).tips, checkpoint), [{ seq: 6, hash: name('a6') }])
  assert.deepEqual(tipsAfterCheckpoint(state([[8, 'a8']]).tips, checkpoint), [{ seq: 8, hash: name('a8') }])
})

test('a head comes back as it was written', () => {
  const full: StreamState = {
    ...state(
      [
        [4, 'b4'],
        [6, 'a6'],
      ],
      3,
    ),
    checkpoint: Uint8Array.of(1, 2),
    snapshotBytes: 7,
    logBatches: 8,
    logBytes: 9,
    entries: 10,
    forked: true,
  }
  const again = decodeHead(stream, encodeHead(full))
  assert.deepEqual({ ...again, checkpoint: [...(again.checkpoint ?? [])] }, { ...full, checkpoint: [1, 2] })
  assert.deepEqual(decodeHead(stream, encodeHead(emptyStream(stream))), emptyStream(stream))
})

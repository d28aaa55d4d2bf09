import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeClaimAnswers, decodeOwnRequest, encodeClaimAnswers, encodeOwnRequest } from '../registrar/messages.ts'
import type { GroupAnswer, OwnRequest } from '../registrar/messages.ts'
import { emptyStream } from '../streams/stream.ts'
import {
  decodeCompared,
  decodeHeads,
  decodeLogRequest,
  decodeMembers,
  decodeWanted,
  encodeCompared,
  encodeHeads,
  encodeLogRequest,
  encodeMembers,
  encodeWanted,
} from './messages.ts'
import type { LogRequest, WantedItem } from './messages.ts'

const bytes = fc.uint8Array({ maxLength: 40 })
const hexOf = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((b) => Buffer.from(b).toString('hex'))
const stream = fc.record({
  author: fc.stringMatching(/^[1-9A-Z]{5,52}$/),
  document: fc.constantFrom('mesh', 'node', 'users/3f', 'later/x-1'),
})
const count = fc.maxSafeNat()

/** Buffers and byte arrays alike, as plain numbers. */
const plain = (value: unknown) =>
  JSON.parse(
    JSON.stringify(value, (_key, item: unknown) => (item instanceof Uint8Array ? [...item] : item)).replaceAll(
      '{"type":"Buffer","data":',
      '{"data":',
    ),
  ) as unknown

const logRequest: fc.Arbitrary<LogRequest> = fc.oneof(
  fc.record({ kind: fc.constant('compare' as const), membership: hexOf(8), streams: hexOf(8) }),
  fc.record({ kind: fc.constant('members' as const), tips: fc.array(hexOf(32), { maxLength: 4 }) }),
  fc.record({ kind: fc.constant('heads' as const), authors: fc.array(fc.string(), { maxLength: 4 }) }),
  fc.record({
    kind: fc.constant('want' as const),
    streams: fc.array(fc.record({ stream, above: count }), { maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant('snapshot' as const), stream, hash: hexOf(32), offset: count }),
  fc.record({
    kind: fc.constant('push' as const),
    reach: fc.option(fc.array(hexOf(8), { maxLength: 4 })),
    membership: fc.array(bytes, { maxLength: 3 }),
    batches: fc.array(bytes, { maxLength: 3 }),
    checkpoints: fc.array(bytes, { maxLength: 3 }),
    compare: fc.boolean(),
  }),
)

test('a request of the log service comes back as it was written', () => {
  fc.assert(
    fc.property(logRequest, (request) => {
      assert.deepEqual(plain(decodeLogRequest(encodeLogRequest(request))), plain(request))
    }),
  )
})

const item: fc.Arbitrary<WantedItem> = fc.oneof(
  fc.record({ kind: fc.constant('batch' as const), bytes }),
  fc.record({ kind: fc.constant('checkpoint' as const), header: bytes, snapshot: fc.option(bytes) }),
)

test('answers of the log service come back as they were written', () => {
  const head = fc.record({
    stream,
    checkpointSeq: count,
    tips: fc.array(fc.record({ seq: count, hash: hexOf(32) }), { maxLength: 3 }),
  })
  fc.assert(
    fc.property(
      fc.array(item, { maxLength: 5 }),
      fc.array(bytes, { maxLength: 3 }),
      fc.boolean(),
      fc.array(head, { maxLength: 4 }),
      (items, entries, more, heads) => {
        assert.deepEqual(plain(decodeWanted(encodeWanted(items))), plain(items))
        assert.deepEqual(plain(decodeMembers(encodeMembers(entries, more))), plain({ entries, more }))
        const states = heads.map((known) => ({ ...emptyStream(known.stream), ...known }))
        assert.deepEqual(plain(decodeHeads(encodeHeads(states))), plain(heads))
      },
    ),
  )
  assert.equal(decodeCompared(encodeCompared(undefined)), undefined)
  const differs = { membership: 'ab', authors: { x: '12', y: '' } }
  assert.deepEqual(decodeCompared(encodeCompared(differs)), differs)
})

const claimed = fc.record({
  address: fc.emailAddress(),
  accountId: hexOf(16),
  claimTime: count,
  registrars: fc.array(hexOf(8), { maxLength: 3 }),
})
const ownRequest: fc.Arbitrary<OwnRequest> = fc.oneof(
  fc.record({
    kind: fc.constant('claim' as const),
    groups: fc.array(fc.array(claimed, { maxLength: 3 }), { maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constantFrom('release' as const, 'recheck' as const),
    names: fc.array(fc.record({ address: fc.emailAddress(), accountId: hexOf(16) }), { maxLength: 4 }),
  }),
)
const signature = fc.uint8Array({ minLength: 64, maxLength: 64 })
const groupAnswer: fc.Arbitrary<GroupAnswer> = fc.record({
  answers: fc.array(
    fc.oneof(
      fc.constantFrom({ kind: 'granted' as const }, { kind: 'taken' as const }, { kind: 'abstained' as const }),
      fc.record({ kind: fc.constant('held' as const), by: fc.record({ accountId: hexOf(16), claimTime: count }) }),
    ),
    { maxLength: 4 },
  ),
  proof: fc.oneof(
    fc.record({ kind: fc.constant('single' as const), signatures: fc.array(fc.option(signature), { maxLength: 3 }) }),
    fc.record({ kind: fc.constant('list' as const), digests: bytes, signature }),
  ),
})

test('claims and their answers come back as they were written', () => {
  fc.assert(
    fc.property(ownRequest, fc.array(groupAnswer, { maxLength: 3 }), (request, answers) => {
      assert.deepEqual(plain(decodeOwnRequest(encodeOwnRequest(request))), plain(request))
      assert.deepEqual(plain(decodeClaimAnswers(encodeClaimAnswers(answers))), plain(answers))
    }),
  )
})

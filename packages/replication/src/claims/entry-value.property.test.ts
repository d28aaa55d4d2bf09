import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeCbor, encodeCbor } from '@skein/runtime'
import fc from 'fast-check'
import { accountIdBytesOf, decodeEntryValue, encodeEntryValue } from './entry-value.ts'
import type { EntryValue } from './entry-value.ts'

const hexOf = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((b) => Buffer.from(b).toString('hex'))
const shorts = fc.array(hexOf(8), { maxLength: 3 })
const proof = fc.oneof(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.maxSafeNat())

const entry: fc.Arbitrary<EntryValue> = fc.record({
  accountId: hexOf(16),
  epoch: fc.nat(),
  claimTime: fc.maxSafeNat(),
  suspended: fc.boolean(),
  registrars: shorts,
  acknowledgements: fc.array(fc.record({ registrar: hexOf(8), proof }), { maxLength: 3 }),
  replicas: shorts,
  inSync: shorts,
  extra: fc.array(fc.oneof(fc.string(), fc.nat(), fc.constant(null)), { maxLength: 3 }),
})

test('an entry comes back as it was written', () => {
  fc.assert(
    fc.property(entry, (value) => {
      const bytes = encodeEntryValue(value)
      const decoded = decodeEntryValue(bytes)
      assert.deepEqual(JSON.stringify(decoded), JSON.stringify(value))
      assert.equal(Buffer.from(accountIdBytesOf(bytes) ?? []).toString('hex'), value.accountId)
    }),
  )
})

test('the hand-written form of a plain claim is what the CBOR encoder writes', () => {
  fc.assert(
    fc.property(hexOf(16), fc.integer({ min: 1, max: 23 }), fc.boolean(), (accountId, epoch, suspended) => {
      const lists = { registrars: [], acknowledgements: [], replicas: [], inSync: [], extra: [] }
      const bytes = encodeEntryValue({ accountId, epoch, claimTime: 1_800_000_000_000_123, suspended, ...lists })
      const account = Uint8Array.from(Buffer.from(accountId, 'hex'))
      const expected = encodeCbor([account, epoch, 1_800_000_000_000_123, suspended ? 1 : 0, [], [], [], []])
      assert.deepEqual([...bytes], [...expected])
    }),
  )
})

test('what a later version adds survives a change by this one', () => {
  const later = encodeCbor([new Uint8Array(16), 1, 5, 0, [], [], [], [], { quota: 7 }, 'new'])
  const value = decodeEntryValue(later)
  assert.ok(value)
  const changed = decodeCbor(encodeEntryValue({ ...value, suspended: true }))
  assert.deepEqual(Array.isArray(changed) && changed.slice(8), [{ quota: 7 }, 'new'])
})

test('nonsense is no entry, and never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      decodeEntryValue(bytes)
      accountIdBytesOf(bytes)
    }),
    { numRuns: 2000 },
  )
  assert.equal(decodeEntryValue(encodeCbor('text')), undefined)
  assert.equal(decodeEntryValue(encodeCbor([new Uint8Array(15), 1, 1, 0, [], [], [], []])), undefined)
})

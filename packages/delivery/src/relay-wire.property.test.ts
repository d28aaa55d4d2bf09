import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { decodeCbor, encodeCbor, SkeinError, type CborValue } from '@skein/runtime'
import { decodeRelayReply, decodeRelayRequest, encodeRelay, type RelayReply, type RelayRequest } from './relay-wire.ts'

const count = fc.nat()
const age = fc.option(fc.nat())

const result = fc.record({
  index: count,
  end: fc.constantFrom('delivered' as const, 'failed' as const, 'recalled' as const),
  kind: fc.constantFrom('delivered' as const, 'temporary' as const, 'permanent' as const),
  code: count,
  status: fc.string(),
  text: fc.string(),
  hop: fc.string(),
  dsnPassedOn: fc.boolean(),
  deliverByPassedOn: fc.boolean(),
})

const request: fc.Arbitrary<RelayRequest> = fc.oneof(
  fc.record({
    t: fc.constant('offer' as const),
    v: count,
    ticket: fc.string(),
    letter: fc.string(),
    from: fc.string(),
    recipients: fc.array(fc.record({ index: count, address: fc.string() })),
    size: count,
    messageId: fc.string(),
    smtpUtf8: fc.boolean(),
    eightBit: fc.boolean(),
    body: fc.option(fc.uint8Array({ maxLength: 50 })),
  }),
  fc.record({
    t: fc.constant('data' as const),
    ticket: fc.string(),
    offset: count,
    bytes: fc.uint8Array({ maxLength: 50 }),
  }),
  fc.record({ t: fc.constant('go' as const), ticket: fc.string(), stage: fc.string(), hurry: fc.boolean() }),
  fc.record({ t: fc.constantFrom('recall' as const, 'ask' as const), ticket: fc.string(), stage: fc.string() }),
  fc.record({
    t: fc.constant('outcome' as const),
    ticket: fc.string(),
    stage: fc.string(),
    results: fc.array(result),
  }),
  fc.record({
    t: fc.constant('paths' as const),
    news: fc.array(
      fc.record({
        domain: fc.string(),
        okAgeMs: age,
        refusedAgeMs: age,
        cause: fc.constantFrom('address' as const, 'unreachable' as const),
      }),
    ),
  }),
)

const reply: fc.Arbitrary<RelayReply> = fc.oneof(
  fc.record({ t: fc.constant('staged' as const), stage: fc.string() }),
  fc.record({ t: fc.constant('send' as const), offset: count }),
  fc.record({
    t: fc.constant('declined' as const),
    code: count,
    status: fc.string(),
    text: fc.string(),
    again: fc.boolean(),
  }),
  fc.record({
    t: fc.constant('state' as const),
    state: fc.constantFrom('working' as const, 'done' as const, 'unknown' as const),
    results: fc.array(result),
  }),
  fc.record({
    t: fc.constant('word' as const),
    word: fc.constantFrom('go' as const, 'wait' as const, 'void' as const),
  }),
  fc.constant<RelayReply>({ t: 'noted' }),
)

/** Objects from fast-check may have no prototype. */
function plain<Value>(value: Value): Value {
  return structuredClone(value)
}

test('requests and replies come back as they were, fields of a later version passed over', () => {
  fc.assert(fc.property(request, (it) => assert.deepEqual(decodeRelayRequest(encodeRelay(it)), plain(it))))
  fc.assert(fc.property(reply, (it) => assert.deepEqual(decodeRelayReply(encodeRelay(it)), plain(it))))
  fc.assert(
    fc.property(request, fc.string(), (it, more) => {
      assert.deepEqual(decodeRelayRequest(encodeCbor({ ...it, later: more })), plain(it))
    }),
  )
})

test('anything else is refused by name, never taken and never a crash', () => {
  const refuses = (decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array) => {
    try {
      decode(bytes)
    } catch (error) {
      assert.ok(error instanceof SkeinError, String(error))
      assert.equal(error.kind, 'refused')
    }
  }
  const anything = fc.oneof(
    fc.uint8Array(),
    fc
      .tuple(request, fc.constantFrom('ticket', 'stage', 'results', 'news', 'body', 't'), fc.jsonValue())
      .map(([it, key, value]) => encodeCbor({ ...it, [key]: value })),
  )
  fc.assert(
    fc.property(anything, (bytes) => {
      refuses(decodeRelayRequest, bytes)
      refuses(decodeRelayReply, bytes)
    }),
    { numRuns: 1000 },
  )
})

const vectors = new URL('../../../docs/protocols/mesh/vectors/hand-over.json', import.meta.url)

test('the vectors of docs/protocols/mesh are what is said and read', () => {
  const { requests, replies } = JSON.parse(readFileSync(vectors, 'utf8')) as Record<
    'requests' | 'replies',
    { name: string; cbor: string; message: Record<string, CborValue> }[]
  >
  assert.ok(requests.length >= 8 && replies.length >= 6)
  for (const [all, decode] of [
    [requests, decodeRelayRequest],
    [replies, decodeRelayReply],
  ] as const) {
    for (const { name, cbor, message } of all) {
      const bytes = Buffer.from(cbor, 'hex')
      const read = decode(bytes)
      // JSON has no bytes: they stand there in hexadecimal.
      const shown: unknown = JSON.parse(
        JSON.stringify(read, (_, it: unknown) => {
          return it instanceof Uint8Array ? Buffer.from(it).toString('hex') : it
        }),
      )
      assert.deepEqual(shown, message, name)
      assert.deepEqual(decodeCbor(encodeRelay(read)), decodeCbor(bytes), name)
    }
  }
})

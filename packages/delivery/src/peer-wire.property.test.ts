import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { encodeCbor, SkeinError } from '@skein/runtime'
import { decodeMailReply, decodeMailRequest, encodeMail, type MailReply, type MailRequest } from './peer-wire.ts'

const count = fc.nat()
const bytesOrNull = fc.option(fc.uint8Array({ maxLength: 50 }))

const request: fc.Arbitrary<MailRequest> = fc.oneof(
  fc.record({
    t: fc.constant('offer' as const),
    v: count,
    id: fc.string(),
    from: fc.string(),
    recipients: fc.array(fc.record({ index: count, address: fc.string(), accountId: fc.string() })),
    size: count,
    messageId: fc.string(),
    smtpUtf8: fc.boolean(),
    eightBit: fc.boolean(),
    receivedMs: count,
    body: bytesOrNull,
  }),
  fc.record({
    t: fc.constant('data' as const),
    upload: fc.string(),
    offset: count,
    bytes: fc.uint8Array({ maxLength: 50 }),
    sha256: bytesOrNull,
  }),
)

const reply: fc.Arbitrary<MailReply> = fc.oneof(
  fc.record({
    t: fc.constant('results' as const),
    results: fc.array(
      fc.record({
        index: count,
        verdict: fc.constantFrom('stored' as const, 'have' as const, 'not-owner' as const, 'permanent' as const),
        code: count,
        status: fc.string(),
        text: fc.string(),
        home: fc.string(),
      }),
    ),
  }),
  fc.record({ t: fc.constant('take' as const), upload: fc.string() }),
  fc.constantFrom<MailReply>({ t: 'more' }, { t: 'busy' }, { t: 'unknown-upload' }),
)

/** Objects from fast-check may have no prototype. */
function plain<Value>(value: Value): Value {
  return structuredClone(value)
}

test('requests and replies come back as they were', () => {
  fc.assert(fc.property(request, (it) => assert.deepEqual(decodeMailRequest(encodeMail(it)), plain(it))))
  fc.assert(fc.property(reply, (it) => assert.deepEqual(decodeMailReply(encodeMail(it)), plain(it))))
})

test('fields of a later version are passed over', () => {
  fc.assert(
    fc.property(request, fc.string(), (it, more) => {
      const decoded = decodeMailRequest(encodeCbor({ ...it, later: more }))
      assert.deepEqual(decoded, plain(it))
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
    fc.anything({ maxDepth: 3 }).map((it) => {
      try {
        return encodeCbor(it)
      } catch {
        return new Uint8Array()
      }
    }),
    fc
      .tuple(request, fc.constantFrom('id', 'recipients', 'offset', 'body', 't'), fc.jsonValue())
      .map(([it, key, value]) => encodeCbor({ ...it, [key]: value })),
  )
  fc.assert(
    fc.property(anything, (bytes) => {
      refuses(decodeMailRequest, bytes)
      refuses(decodeMailReply, bytes)
    }),
    { numRuns: 1000 },
  )
})

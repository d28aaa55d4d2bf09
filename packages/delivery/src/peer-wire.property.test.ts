import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { encodeCbor, SkeinError } from '@skein/runtime'
import { decodeMailReply, decodeMailRequest, encodeMail, type MailReply, type MailRequest } from './peer-wire.ts'

const count = fc.nat()
const bytesOrNull = fc.option(fc.uint8Array({ maxLength: 50 }))

const recipientOptions = fc.record(
  {
    notify: fc.uniqueArray(fc.constantFrom('success' as const, 'failure' as const, 'delay' as const)),
    orcpt: fc.string(),
  },
  { requiredKeys: ['notify'] },
)

const envelopeOptions = fc.record(
  {
    binary: fc.boolean(),
    ret: fc.constantFrom('full' as const, 'hdrs' as const),
    envid: fc.string(),
    requireTls: fc.boolean(),
    tlsOptional: fc.boolean(),
    deliverBy: fc.record({ atMs: count, mode: fc.constantFrom('return' as const, 'notify' as const) }),
    priority: fc.integer({ min: -9, max: 9 }),
    holdUntilMs: count,
    solicit: fc.string(),
  },
  { requiredKeys: ['priority'] },
)

const request: fc.Arbitrary<MailRequest> = fc.oneof(
  fc
    .record({
      t: fc.constant('offer' as const),
      v: count,
      id: fc.string(),
      from: fc.string(),
      recipients: fc.array(
        fc.record(
          { index: count, address: fc.string(), accountId: fc.string(), options: recipientOptions },
          { requiredKeys: ['index', 'address', 'accountId'] },
        ),
      ),
      size: count,
      messageId: fc.string(),
      smtpUtf8: fc.boolean(),
      eightBit: fc.boolean(),
      receivedMs: count,
      options: fc.option(envelopeOptions, { nil: undefined }),
      body: bytesOrNull,
    })
    .map(({ options, ...it }) => (options ? { ...it, options } : it)),
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

test('options of a later version are carried along, and known ones of another shape are left out', () => {
  const offer = {
    t: 'offer',
    v: 1,
    id: 'q',
    from: '',
    recipients: [{ index: 0, address: 'a@b', accountId: 'x', options: { notify: ['never'], later: [1] } }],
    size: 0,
    messageId: '',
    smtpUtf8: false,
    eightBit: false,
    receivedMs: 0,
    options: { priority: 40, ret: 'half', envid: 'e', deliverBy: { atMs: -1, mode: 'return' }, later: { deep: true } },
    body: null,
  }
  const decoded = decodeMailRequest(encodeCbor(offer))
  assert.ok(decoded.t === 'offer')
  assert.deepEqual(decoded.options, { envid: 'e', later: { deep: true } })
  assert.deepEqual(decoded.recipients[0]?.options, { later: [1] })
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

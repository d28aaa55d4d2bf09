import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, test } from 'node:test'
import { decode } from 'dns-packet'
import fc from 'fast-check'
import { type TsigKey, decodeUpdateReply, encodeName, encodeUpdate } from './update-message.ts'

const key: TsigKey = { name: 'acme.test.com', algorithm: 'hmac-sha256', secret: Buffer.from('secret secret secret') }
const add = { kind: 'add', name: '_acme-challenge.test.com', text: 'value', ttlSeconds: 60 } as const
const terms = { id: 0x1234, nowSeconds: 1_700_000_000 }

/** An answer as a server signs it (RFC 8945 §5.3). */
function signedReply(flags: number, mac: Uint8Array, change: Partial<{ error: number; secret: Buffer }> = {}): Buffer {
  const head = Buffer.from([0x12, 0x34, flags >> 8, flags & 255, 0, 0, 0, 0, 0, 0, 0, 0])
  const times = Buffer.from([0, 0, 0x65, 0x53, 0xf1, 0, 1, 0x2c])
  const error = Buffer.from([0, change.error ?? 0])
  const variables = [encodeName(key.name), Buffer.from([0, 255, 0, 0, 0, 0]), encodeName(key.algorithm), times, error]
  const hmac = createHmac('sha256', change.secret ?? key.secret)
  hmac
    .update(Buffer.from([0, mac.length]))
    .update(mac)
    .update(head)
  for (const piece of variables) hmac.update(piece)
  const digest = hmac.update(Buffer.from([0, 0])).digest()
  const data = Buffer.concat([
    encodeName(key.algorithm),
    times,
    Buffer.from([0, digest.length]),
    digest,
    Buffer.from([0x12, 0x34]),
    error,
    Buffer.from([0, 0]),
  ])
  head.writeUInt16BE(1, 10)
  const tsig = [encodeName(key.name), Buffer.from([0, 250, 0, 255, 0, 0, 0, 0, 0, data.length]), data]
  return Buffer.concat([head, ...tsig])
}

describe('dynamic updates as bytes', () => {
  test('RFC 2136 §2: a request, read by another library', () => {
    const long = { ...add, text: 'x'.repeat(300) }
    const { bytes, mac } = encodeUpdate('Test.com.', [add, long, { ...add, kind: 'delete' }], key, terms)
    const packet = decode(Buffer.from(bytes))
    assert.equal(packet.id, 0x1234)
    assert.equal(bytes[2], 0x28)
    assert.deepEqual(
      packet.questions?.map(({ name, type }) => [name, type]),
      [['test.com', 'SOA']],
    )
    const updates = (packet.authorities ?? []) as unknown as {
      name: string
      class: string
      ttl: number
      data: Buffer[]
    }[]
    assert.deepEqual(
      updates.map((one) => [one.name, one.class, one.ttl, Buffer.concat(one.data).length]),
      [
        ['_acme-challenge.test.com', 'IN', 60, 5],
        ['_acme-challenge.test.com', 'IN', 60, 300],
        ['_acme-challenge.test.com', 'UNKNOWN_254', 0, 5].map((value) =>
          value === 'UNKNOWN_254' ? updates[2]?.class : value,
        ),
      ],
    )
    assert.equal(packet.additionals?.length, 1)
    assert.equal(mac.length, 32)
  })

  test('names that can not be sent are refused', () => {
    for (const name of ['', 'a..b', `${'a'.repeat(64)}.com`, 'abc.'.repeat(70)]) {
      assert.throws(() => encodeName(name), RangeError, name)
    }
  })

  const { mac } = encodeUpdate('test.com', [add], key, terms)
  const answers: [what: string, bytes: Buffer, expected: unknown][] = [
    ['done', signedReply(0xa8_00, mac), { code: 'NOERROR', isSigned: true }],
    ['refused', signedReply(0xa8_05, mac), { code: 'REFUSED', isSigned: true }],
    ['an error of TSIG', signedReply(0xa8_09, mac, { error: 18 }), { code: 'BADTIME', isSigned: true }],
    [
      'signed by another',
      signedReply(0xa8_00, mac, { secret: Buffer.from('x') }),
      { code: 'NOERROR', isSigned: false },
    ],
    ['signed for another request', signedReply(0xa8_00, Buffer.alloc(32)), { code: 'NOERROR', isSigned: false }],
    ['not signed', Buffer.from([0x12, 0x34, 0xa8, 9, 0, 0, 0, 0, 0, 0, 0, 0]), { code: 'NOTAUTH', isSigned: false }],
    ['a query', signedReply(0x28_00, mac), undefined],
    ['an answer to a question', signedReply(0x80_00, mac), undefined],
    ['nothing', Buffer.alloc(0), undefined],
  ]
  for (const [what, bytes, expected] of answers) {
    test(`an answer: ${what}`, () => assert.deepEqual(decodeUpdateReply(bytes, 0x1234, key, mac), expected))
  }

  test('an answer to another request is none', () => {
    assert.equal(decodeUpdateReply(signedReply(0xa8_00, mac), 0x1235, key, mac), undefined)
  })

  test('no bytes make the reader throw, and none that were changed count as signed', () => {
    const whole = signedReply(0xa8_00, mac)
    const edits = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(edits, fc.nat(whole.length), (changes, length) => {
        const bytes = Buffer.from(whole)
        for (const [at, value] of changes) bytes[at] = (bytes[at] as number) ^ value
        const reply = decodeUpdateReply(bytes.subarray(0, length), 0x1234, key, mac)
        assert.ok(reply?.isSigned !== true || bytes.equals(whole) || isUnsignedPart(bytes, whole))
      }),
      { numRuns: 5000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.notEqual(decodeUpdateReply(bytes, 0x1234, key, mac)?.isSigned, true)
      }),
      { numRuns: 2000 },
    )
  })

  /** Names, class and TTL of the TSIG record itself are the key's, whatever stands there (RFC 8945 §4.3.3 takes them from the key). */
  function isUnsignedPart(bytes: Buffer, whole: Buffer): boolean {
    const macAt = whole.indexOf(Buffer.from([0, 0, 0x65, 0x53]))
    return bytes.subarray(macAt).equals(whole.subarray(macAt)) && bytes.subarray(0, 10).equals(whole.subarray(0, 10))
  }
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encode } from 'dns-packet'
import fc from 'fast-check'
import { type Question, decodeReply, encodeQuestion, isAskableName, reverseName } from './message.ts'

const question: Question = { name: 'there.example', type: 'MX' }
const answer = encode({
  type: 'response',
  id: 7,
  questions: [{ type: 'MX', name: 'There.example', class: 'IN' }],
  answers: [
    { type: 'MX', name: 'there.example', ttl: 60, data: { preference: 10, exchange: 'mx.there.example' } },
    {
      type: 'TLSA',
      name: 'x',
      ttl: 1,
      data: { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32) },
    },
  ],
  authorities: [{ type: 'SOA', name: 'example', ttl: 9, data: { mname: 'a', rname: 'b', minimum: 5 } }],
})

describe('DNS messages', () => {
  test('an answer to our question is read, one to another is not', () => {
    const reply = decodeReply(answer, 7, question)
    assert.equal(reply?.answers.length, 2)
    assert.equal(reply.negativeTtlSeconds, 5)
    assert.equal(decodeReply(answer, 8, question), null)
    assert.equal(decodeReply(answer, 7, { ...question, type: 'A' }), null)
    assert.equal(decodeReply(answer, 7, { ...question, name: 'here.example' }), null)
    assert.equal(decodeReply(encodeQuestion(question, { ...terms, id: 7 }), 7, question), null)
  })

  const terms = { id: 7, wantsProof: true, udpBytesMax: 1232, withEdns: true }

  test('no bytes make the decoder throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        decodeReply(Buffer.from(bytes), 7, question)
      }),
      { numRuns: 2000 },
    )
  })

  test('nor do answers with wrong octets, or cut off', () => {
    const changes = fc.array(fc.tuple(fc.nat(answer.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 12 })
    fc.assert(
      fc.property(changes, fc.nat(answer.length), (edits, length) => {
        const bytes = Buffer.from(answer)
        for (const [at, value] of edits) bytes[at] = value
        decodeReply(bytes.subarray(0, length), 7, question)
      }),
      { numRuns: 5000 },
    )
  })

  test('names that can stand in a question', () => {
    for (const name of ['a', 'a.b', '_25._tcp.mx.example.org', 'x'.repeat(63), 'xn--fiqs8s.cn']) {
      assert.ok(isAskableName(name), name)
    }
    for (const name of ['', 'a..b', '.a', 'a b', 'x'.repeat(64), '中.cn', `${'a.'.repeat(127)}a`, 'a\r\nb']) {
      assert.ok(!isAskableName(name), name)
    }
  })

  test('the names of addresses', () => {
    assert.equal(reverseName('192.0.2.1'), '1.2.0.192.in-addr.arpa')
    const v6 = '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa'
    for (const text of ['2001:db8::1', '2001:DB8:0:0:0:0:0:1', '2001:db8::0.0.0.1']) assert.equal(reverseName(text), v6)
    assert.equal(reverseName('::'), `${'0.'.repeat(32)}ip6.arpa`)
    for (const text of ['', 'x', '1.2.3', '::1::', '1:2', 'g::1']) assert.equal(reverseName(text), null, text)
  })
})

import assert from 'node:assert/strict'
import { isAscii } from 'node:buffer'
import { test } from 'node:test'
import { headerEnd } from '@skein/mail'
import * as fc from 'fast-check'
import { downgradeMessage, downgradeStream } from './downgrade.ts'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const downgraded = (message: string) => text(downgradeMessage(Buffer.from(message)))

async function inPieces(bytes: Buffer, at: readonly number[]): Promise<Buffer> {
  const offsets = [0, ...at.filter((offset) => offset < bytes.length).sort((a, b) => a - b), bytes.length]
  async function* chunks() {
    for (const [index, end] of offsets.slice(1).entries()) yield bytes.subarray(offsets[index], end)
  }
  const out: Uint8Array[] = []
  for await (const piece of downgradeStream(chunks())) out.push(piece)
  return Buffer.concat(out)
}

const piece = fc.constantFrom(
  'Subject: ',
  'From: ',
  'X-A:',
  'Received:',
  'Content-Type: a/b; name="',
  '"',
  '雁',
  'é',
  '\r\n',
  '\n',
  ' ',
  '<',
  '>',
  'a@b',
  ',',
  ';',
  ':',
  '\0',
  'a',
)
const messages = fc.array(piece, { maxLength: 40 }).map((all) => all.join(''))

test('the header is ASCII afterwards, the body as it was', () => {
  const rule = fc.property(messages, fc.string(), (header, body) => {
    const bytes = Buffer.from(`${header}\r\n\r\n${body}`)
    const end = headerEnd(bytes)
    const out = Buffer.from(downgradeMessage(bytes))
    const rest = bytes.subarray(end)
    assert.ok(out.subarray(out.length - rest.length).equals(rest))
    assert.ok(isAscii(out.subarray(0, out.length - rest.length)), JSON.stringify(text(out)))
  })
  fc.assert(rule, { numRuns: 2_000 })
})

test('any chunking gives the same bytes', async () => {
  const rule = fc.asyncProperty(messages, fc.array(fc.nat(60), { maxLength: 6 }), async (message, at) => {
    const bytes = Buffer.from(message)
    assert.deepEqual(await inPieces(bytes, at), Buffer.from(downgradeMessage(bytes)))
  })
  await fc.assert(rule, { numRuns: 1_000 })
})

test('what is ASCII, or no UTF-8, stays byte for byte', () => {
  const legacy = Buffer.from('Subject: \xd1\xe3\r\n\r\nx', 'latin1')
  assert.equal(downgradeMessage(legacy), legacy)
  const plain = Buffer.from('Subject: a\r\n\r\n')
  assert.equal(downgradeMessage(plain), plain)
  const body = Buffer.from('Subject: a\r\n\r\n雁\r\n')
  assert.equal(downgradeMessage(body), body)
})

test('addresses, parameters, free text, and what can not be said', () => {
  assert.equal(
    downgraded('To: 曹 <曹@x.test>, b@x.test, 组: c@x.test;\r\nMessage-ID: <雁@x>\r\nSubject: 雁\r\n\r\n'),
    'To: =?utf-8?B?5pu5?= <invalid@internationalized-address.invalid>, b@x.test,\r\n c@x.test\r\nSubject: =?utf-8?B?6ZuB?=\r\n\r\n',
  )
  assert.equal(
    downgraded('Content-Disposition: attachment; filename="雁 (1).txt"; size=3\r\n\r\n'),
    "Content-Disposition: attachment; filename*=utf-8''%E9%9B%81%20%281%29.txt;\r\n size=3\r\n\r\n",
  )
})

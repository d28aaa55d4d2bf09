import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ReplyReader, type ServerReply, statusOf, textOf } from './reply-reader.ts'

const limits = { replyLineBytesMax: 50, replyLinesMax: 3 }

function readAll(chunks: readonly string[]): unknown[] {
  const reader = new ReplyReader(limits)
  const replies: unknown[] = []
  for (const chunk of chunks) {
    reader.push(Buffer.from(chunk))
    for (let reply = reader.next(); reply !== null; reply = reader.next()) {
      replies.push(reply)
      if (reply === 'malformed') return replies
    }
  }
  return replies
}

test('replies of one line and of more', () => {
  assert.deepEqual(readAll(['220 hi\r\n250-a\r\n250-b\r\n250 c\r\n354\r\n250 曹\n']), [
    { code: 220, lines: ['hi'] },
    { code: 250, lines: ['a', 'b', 'c'] },
    { code: 354, lines: [''] },
    { code: 250, lines: ['曹'] },
  ])
})

test('what is no reply is malformed, and so is one without end', () => {
  for (const text of [
    'hello\r\n',
    '99 x\r\n',
    '2500 x\r\n',
    '650 x\r\n',
    `250 ${'x'.repeat(60)}\r\n`,
    '250-a\r\n'.repeat(4),
    'x'.repeat(51),
  ]) {
    assert.deepEqual(readAll([text]), ['malformed'], text)
  }
})

test('a CR or NUL within a line takes nothing from its code', () => {
  const replies = readAll(['550-5.1.1 no\rX: y\r\n550 5.1.1 \0\x1b no\r\n'])
  assert.deepEqual(replies, [{ code: 550, lines: ['5.1.1 no\rX: y', '5.1.1 \0\x1b no'] }])
  assert.equal(textOf(replies[0] as ServerReply, 100), 'no X: y   no')
})

test('status and text for people', () => {
  assert.equal(statusOf({ code: 550, lines: ['5.1.1 no such user'] }), '5.1.1')
  assert.equal(statusOf({ code: 550, lines: ['no such user'] }), '5.0.0')
  assert.equal(statusOf({ code: 450, lines: ['5.1.1 of another class'] }), '4.0.0')
  assert.equal(textOf({ code: 550, lines: ['5.7.1 go', '5.7.1 away\u001b[0m'] }, 100), 'go away [0m')
  assert.equal(textOf({ code: 550, lines: ['x'.repeat(100)] }, 10), 'x'.repeat(10))
})

test('property: any chunking gives the same, nothing throws', () => {
  const piece = fc.constantFrom('250', ' ', '-', '\r\n', '\n', 'a', '5.1.1 ', '421 x\r\n', '\r')
  const rule = fc.property(fc.array(piece, { maxLength: 20 }), fc.array(fc.nat(60)), (pieces, at) => {
    const text = pieces.join('')
    const offsets = [0, ...at.filter((offset) => offset < text.length).toSorted((a, b) => a - b), text.length]
    const chunks = offsets.slice(1).map((end, i) => text.slice(offsets[i], end))
    assert.deepEqual(readAll(chunks), readAll([text]))
  })
  fc.assert(rule, { numRuns: 2_000 })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { MessageWriter } from './message-writer.ts'
import { TopOfMessage } from './top-of-message.ts'

const bytes = (text: string) => Buffer.from(text, 'latin1')

function wireOf(chunks: readonly Buffer[]): string {
  const writer = new MessageWriter()
  const pieces: Buffer[] = []
  for (const chunk of chunks) writer.write(chunk, pieces)
  return Buffer.concat([...pieces, writer.end()]).toString('latin1')
}

/** How RFC 1939 §3 has a client read a multi-line answer: by CR LF, one dot off each line that begins with one. */
function readBack(wire: string): string {
  let message = ''
  let rest = wire
  for (;;) {
    const end = rest.indexOf('\r\n')
    assert.notEqual(end, -1)
    const line = rest.slice(0, end)
    rest = rest.slice(end + 2)
    if (line === '.') break
    message += `${line.startsWith('.') ? line.slice(1) : line}\r\n`
  }
  assert.equal(rest, '')
  return message
}

const hostileText = fc
  .array(fc.constantFrom('\r', '\n', '.', '\0', 'a', '\r\n', '\r\n.', '\r\n..', '\xff'), { maxLength: 40 })
  .map((parts) => parts.join(''))
const cuts = fc.array(fc.nat(60), { maxLength: 10 })

function chunked(text: string, at: readonly number[]): Buffer[] {
  const offsets = [0, ...at.filter((offset) => offset < text.length).sort((a, b) => a - b), text.length]
  return offsets.slice(1).map((end, i) => bytes(text.slice(offsets[i], end)))
}

test('property: a client gets the same bytes back, and a line end where there was none, cut anywhere', () => {
  const rule = fc.property(hostileText, cuts, (text, at) => {
    const message = readBack(wireOf(chunked(text, at)))
    assert.equal(message, text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`)
  })
  fc.assert(rule, { numRuns: 5_000 })
})

test('every two-way cut of dots at line starts', () => {
  const text = '.\r\n..\r\n\r\n.a\r\n\n.\r.\r\n.'
  const whole = wireOf([bytes(text)])
  for (let i = 0; i <= text.length; i++) {
    for (let j = i; j <= text.length; j++) {
      assert.equal(wireOf([bytes(text.slice(0, i)), bytes(text.slice(i, j)), bytes(text.slice(j))]), whole)
    }
  }
})

test('an empty message is only the end', () => {
  assert.equal(wireOf([]), '.\r\n')
})

function topOf(chunks: readonly Buffer[], lines: number): string {
  const top = new TopOfMessage(lines)
  let text = ''
  for (const chunk of chunks) {
    if (top.isDone) break
    text += Buffer.from(top.take(chunk)).toString('latin1')
  }
  return text
}

test('property: TOP gives header, blank line and that many lines, cut anywhere', () => {
  const line = fc.constantFrom('a', '.', 'Subject: x', '\r', 'b c')
  const rule = fc.property(
    fc.array(line),
    fc.array(fc.oneof(line, fc.constant(''))),
    fc.nat(6),
    cuts,
    (head, body, n, at) => {
      const header = head
        .filter((text) => text !== '\r')
        .map((text) => `${text}\r\n`)
        .join('')
      const lines = body.map((text) => `${text}\r\n`)
      const text = `${header}\r\n${lines.join('')}`
      assert.equal(topOf(chunked(text, at), n), `${header}\r\n${lines.slice(0, n).join('')}`)
    },
  )
  fc.assert(rule, { numRuns: 2_000 })
})

test('TOP of a message without a body is the whole, and line ends may be LF alone', () => {
  assert.equal(topOf([bytes('A: b\r\nC: d')], 5), 'A: b\r\nC: d')
  assert.equal(topOf([bytes('A: b\n\n1\n2\n3\n')], 2), 'A: b\n\n1\n2\n')
})

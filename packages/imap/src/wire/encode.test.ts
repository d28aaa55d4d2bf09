import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { CommandDecoder } from './command-decoder.ts'
import { Cursor } from './cursor.ts'
import { formatMailbox, formatNstring, formatString, formatText, utf8Bytes } from './encode.ts'

test('strings are quoted where the grammar allows it, else literals', () => {
  assert.equal(formatString('hello'), '"hello"')
  assert.equal(formatString(''), '""')
  assert.equal(formatString('a "b" \\c'), '"a \\"b\\" \\\\c"')
  assert.equal(formatString('two\r\nlines'), '{10}\r\ntwo\r\nlines')
  assert.equal(formatString('\xe9'), '{1}\r\n\xe9')
  assert.equal(formatString(utf8Bytes('é'), true), `"${utf8Bytes('é')}"`)
  assert.equal(formatString('\xe9', true), '{1}\r\n\xe9')
  assert.equal(formatNstring(null), 'NIL')
})

test('mailbox names', () => {
  assert.equal(formatMailbox('INBOX', false), 'INBOX')
  assert.equal(formatMailbox('nil', false), '"nil"')
  assert.equal(formatMailbox('Sent Items', false), '"Sent Items"')
  assert.equal(formatMailbox('台北', false), '&U,BTFw-')
  assert.equal(formatMailbox('台北', true), `"${utf8Bytes('台北')}"`)
})

test('text for people is one line and never empty', () => {
  assert.equal(formatText('two\r\nlines'), 'two lines')
  assert.equal(formatText(''), '-')
})

test('what is written as a string is read back by the decoder and the cursor', () => {
  const byteString = fc.uint8Array().map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0)).toString('latin1'))
  fc.assert(
    fc.property(byteString, fc.boolean(), (bytes, utf8) => {
      const decoder = new CommandDecoder({ commandLineBytesMax: 10_000, literalsPerCommandMax: 5 })
      decoder.push(Buffer.from(`a ${formatString(bytes, utf8)} b\r\n`, 'latin1'))
      let event = decoder.next()
      if (event?.kind === 'literal') {
        decoder.hold()
        event = decoder.next()
      }
      assert(event?.kind === 'command')
      const cursor = new Cursor(event.parts, { nestingDepthMax: 5, utf8 })
      cursor.tag()
      cursor.space()
      assert.equal(cursor.string(), bytes)
      cursor.space()
      assert.equal(cursor.atom(), 'b')
      cursor.end()
    }),
  )
})

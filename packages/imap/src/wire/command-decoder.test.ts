import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommandDecoder } from './command-decoder.ts'

const limits = { commandLineBytesMax: 64, literalsPerCommandMax: 2 }

function decoderWith(text: string): CommandDecoder {
  const decoder = new CommandDecoder(limits)
  decoder.push(Buffer.from(text, 'latin1'))
  return decoder
}

test('commands come one by one, with CRLF or a bare LF', () => {
  const decoder = decoderWith('a NOOP\r\nb NOOP\nc')
  assert.deepEqual(decoder.next(), { kind: 'command', parts: ['a NOOP'] })
  assert.deepEqual(decoder.next(), { kind: 'command', parts: ['b NOOP'] })
  assert.equal(decoder.next(), undefined)
})

test('a held literal is a part of its command', () => {
  const decoder = decoderWith('a LOGIN {3}\r\nabc {2+}\r\nde\r\n')
  assert.equal(decoder.next()?.kind, 'literal')
  assert.equal(decoder.next(), undefined)
  decoder.hold()
  assert.equal(decoder.next()?.kind, 'literal')
  decoder.hold()
  const event = decoder.next()
  assert(event?.kind === 'command')
  assert.deepEqual(event.parts, [
    'a LOGIN ',
    { kind: 'held', bytes: Buffer.from('abc'), binary: false },
    ' ',
    { kind: 'held', bytes: Buffer.from('de'), binary: false },
  ])
})

test('a refused literal is skipped with the rest of its command, further literals too', () => {
  const decoder = decoderWith('a X {3+}\r\na\r\n {4+}\r\nb\r\nc more\r\nb NOOP\r\n')
  assert.equal(decoder.next()?.kind, 'literal')
  decoder.refuse()
  assert.deepEqual(decoder.next(), { kind: 'discarded' })
  assert.deepEqual(decoder.next(), { kind: 'command', parts: ['b NOOP'] })
})

test('a refused synchronising literal never comes', () => {
  const decoder = decoderWith('a X {3}\r\nb NOOP\r\n')
  assert.equal(decoder.next()?.kind, 'literal')
  decoder.refuse()
  assert.deepEqual(decoder.next(), { kind: 'discarded' })
  assert.deepEqual(decoder.next(), { kind: 'command', parts: ['b NOOP'] })
})

test('a line too long is thrown away up to its end, and its tag is known', () => {
  const decoder = decoderWith(`a1 ${'x'.repeat(500)}`)
  assert.equal(decoder.next(), undefined)
  decoder.push(Buffer.from('y {3+}\r\nabc tail\r\nb NOOP\r\n'))
  const event = decoder.next()
  assert(event?.kind === 'oversize')
  assert.equal(event.tag, 'a1')
  assert.deepEqual(decoder.next(), { kind: 'command', parts: ['b NOOP'] })
})

test('held literals count towards the limit, and so does their number', () => {
  const large = decoderWith(`a X {100+}\r\n${'x'.repeat(100)}\r\nb NOOP\r\n`)
  assert.equal(large.next()?.kind, 'literal')
  large.hold()
  assert.equal(large.next()?.kind, 'oversize')
  assert.equal(large.next()?.kind, 'command')
  const many = decoderWith('a X {1+}\r\na {1+}\r\nb {1+}\r\nc\r\nb NOOP\r\n')
  for (let count = 0; count < 2; count++) {
    assert.equal(many.next()?.kind, 'literal')
    many.hold()
  }
  assert.equal(many.next()?.kind, 'oversize')
  assert.deepEqual(many.next(), { kind: 'command', parts: ['b NOOP'] })
})

test('single bytes do not pile up as pieces', () => {
  const decoder = new CommandDecoder({ commandLineBytesMax: 100_000, literalsPerCommandMax: 1 })
  for (let count = 0; count < 50_000; count++) {
    decoder.push(Buffer.from('x'))
    assert.equal(decoder.next(), undefined)
  }
  decoder.push(Buffer.from('\r\n'))
  const event = decoder.next()
  assert(event?.kind === 'command')
  assert.deepEqual(event.parts, ['x'.repeat(50_000)])
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { type DataFault, DataReader } from './data-reader.ts'
import { DotStuffer } from './dot-stuffer.ts'

interface Reading {
  message: string
  fault: DataFault | null
  ended: boolean
  /** What was sent after the end of the message. */
  rest: string
}

function readAll(chunks: readonly Buffer[], bareLineEnds: 'refuse' | 'normalise' = 'refuse'): Reading {
  const reader = new DataReader(bareLineEnds)
  const pieces: Buffer[] = []
  let rest = Buffer.alloc(0)
  for (const chunk of chunks) {
    const read = reader.ended ? 0 : reader.read(chunk, pieces)
    rest = Buffer.concat([rest, chunk.subarray(read)])
  }
  const { fault, ended } = reader
  return { message: Buffer.concat(pieces).toString('latin1'), fault, ended, rest: rest.toString('latin1') }
}

const bytes = (text: string) => Buffer.from(text, 'latin1')
const read = (text: string, bareLineEnds: 'refuse' | 'normalise' = 'refuse') => readAll([bytes(text)], bareLineEnds)

/** The rule written down byte by byte and without regard to speed: what DataReader is compared with. */
function model(text: string, normalise: boolean): Reading {
  let message = ''
  let fault: DataFault | null = null
  let at = 0
  let isLineStart = true
  while (at < text.length) {
    if (isLineStart) {
      if (text.startsWith('.\r\n', at)) return { message, fault, ended: true, rest: text.slice(at + 3) }
      const masked = /^[\0.]*\r\n/.exec(text.slice(at))?.[0] ?? ''
      if (masked.includes('\0') && masked.split('.').length === 2) {
        // Faults are told in the order of the bytes: the line's end is what shows this one.
        fault ??= 'masked-end'
      }
      if (text[at] === '.') at += 1
      isLineStart = false
      continue
    }
    if (text.startsWith('\r\n', at)) {
      message += '\r\n'
      at += 2
      isLineStart = true
    } else if (text[at] === '\r' || text[at] === '\n') {
      if (normalise) message += '\r\n'
      else if (text[at] === '\n' || at + 1 < text.length) fault ??= 'bare-line-end'
      at += 1
    } else {
      message += text[at]
      at += 1
    }
  }
  return { message, fault, ended: false, rest: '' }
}

describe('end of a message', () => {
  test('CR LF . CR LF ends it, and what follows is left', () => {
    assert.deepEqual(read('Hello\r\n.\r\nQUIT\r\n'), {
      message: 'Hello\r\n',
      fault: null,
      ended: true,
      rest: 'QUIT\r\n',
    })
  })

  test('a dot at once is an empty message', () => {
    assert.deepEqual(read('.\r\n'), { message: '', fault: null, ended: true, rest: '' })
  })

  test('a line of two dots is a line of one', () => {
    assert.equal(read('..\r\n..x\r\n...\r\n.\r\n').message, '.\r\n.x\r\n..\r\n')
  })

  test('a dot that nobody doubled is taken off all the same', () => {
    assert.equal(read('.x\r\n.\r\n').message, 'x\r\n')
  })

  const smuggling = [
    'a\n.\nMAIL',
    'a\r.\rMAIL',
    'a\n.\r\nMAIL',
    'a\r\n.\nMAIL',
    'a\r.\r\nMAIL',
    'a\r\n.\rMAIL',
    'a\r\r\n.\nMAIL',
    'a\r\n.\r\rMAIL',
    'a\r\n\0.\r\nMAIL',
    'a\r\n.\0\r\nMAIL',
    'a\r\n\0\0.\0\r\nMAIL',
    'a\r\0\n.\r\nMAIL',
    'a\r\n.\r\0\nMAIL',
    'a\n\0.\r\nMAIL',
    'a\n.\n.\r\nMAIL',
    '.\nMAIL',
    '.\rMAIL',
    '\n.\r\nMAIL',
  ]
  for (const text of smuggling) {
    test(`${JSON.stringify(text)} neither ends it nor passes`, () => {
      const { ended, fault } = read(text)
      assert.equal(ended, false)
      assert.notEqual(fault, null)
    })
    test(`${JSON.stringify(text)} does not end it where line ends are made right`, () => {
      const { ended } = read(text, 'normalise')
      assert.equal(ended, false)
    })
  }

  test('a bare line end before a right end of message refuses it', () => {
    assert.deepEqual(read('a\nb\r\n.\r\nX'), { message: 'ab\r\n', fault: 'bare-line-end', ended: true, rest: 'X' })
  })

  test('NUL elsewhere is a byte like others', () => {
    const text = '\0\r\na\0b\r\n\0\0x.\r\nx\0.\r\n'
    assert.deepEqual(read(`${text}.\r\n`), { message: text, fault: null, ended: true, rest: '' })
  })

  test('bare line ends become CR LF where that is the setting', () => {
    assert.equal(read('a\nb\rc\r\n\n\r\r\n.\r\n', 'normalise').message, 'a\r\nb\r\nc\r\n\r\n\r\n\r\n')
    assert.equal(read('.\rx\r\n.\r\n', 'normalise').message, '\r\nx\r\n')
  })

  test('a dot after a bare line end stays', () => {
    assert.equal(read('a\n.b\r\n.\r\n', 'normalise').message, 'a\r\n.b\r\n')
  })

  test('a megabyte without a line end passes', () => {
    const line = 'x'.repeat(1 << 20)
    assert.equal(read(`${line}\r\n.\r\n`).message, `${line}\r\n`)
  })
})

const hostileText = fc
  .array(fc.constantFrom('\r', '\n', '.', '\0', 'a', '\r\n', '\r\n.', '\r\n..', '\r\n.\r\n', '\xff'), { maxLength: 40 })
  .map((parts) => parts.join(''))
const cuts = fc.array(fc.nat(80), { maxLength: 12 })

function chunked(text: string, at: readonly number[]): Buffer[] {
  const offsets = [0, ...at.filter((offset) => offset < text.length).sort((a, b) => a - b), text.length]
  return offsets.slice(1).map((end, i) => bytes(text.slice(offsets[i], end)))
}

test('property: any chunking gives what the byte-by-byte rule gives', () => {
  const rule = fc.property(hostileText, cuts, fc.boolean(), (text, at, normalise) => {
    const whole = model(text, normalise)
    const parts = readAll(chunked(text, at), normalise ? 'normalise' : 'refuse')
    assert.equal(parts.ended, whole.ended)
    assert.equal(parts.rest, whole.rest)
    // What is refused has no bytes worth comparing; a message that has not ended may have a CR held back.
    if (whole.ended) assert.equal(parts.fault === null, whole.fault === null)
    if (whole.ended && whole.fault === null) assert.equal(parts.message, whole.message)
  })
  fc.assert(rule, { numRuns: 5_000 })
})

test('property: every two-way cut of the smuggling words gives the same', () => {
  for (const text of [
    'a\r\n.\r\nb',
    'a\r\n..\r\n.\r\n',
    '..\r\n.\r\n',
    'a\r\n.\0\r\n.\r\n',
    'a\r\n.x\r\n\r\n.\r\n',
    '\r\n.\r\n',
  ]) {
    const whole = read(text)
    for (let i = 0; i <= text.length; i++) {
      for (let j = i; j <= text.length; j++) {
        const parts = readAll([bytes(text.slice(0, i)), bytes(text.slice(i, j)), bytes(text.slice(j))])
        assert.deepEqual(parts, whole, JSON.stringify([text.slice(0, i), text.slice(i, j), text.slice(j)]))
      }
    }
  }
})

function stuffAll(chunks: readonly Buffer[]): Buffer {
  const stuffer = new DotStuffer()
  const pieces: Buffer[] = []
  for (const chunk of chunks) stuffer.write(chunk, pieces)
  return Buffer.concat([...pieces, stuffer.end()])
}

const lines = fc
  .array(fc.constantFrom('', '.', '..', 'a', '.a', 'a.', '\0', '\xff.', '.\0x', 'a b'), { maxLength: 20 })
  .map((parts) => parts.map((line) => `${line}\r\n`).join(''))

test('property: what the stuffer sends, the reader gives back byte for byte, cut anywhere', () => {
  const rule = fc.property(lines, cuts, cuts, (text, at, again) => {
    const wire = stuffAll(chunked(text, at))
    const reading = readAll(chunked(wire.toString('latin1'), again))
    assert.deepEqual(reading, { message: text, fault: null, ended: true, rest: '' })
  })
  fc.assert(rule, { numRuns: 2_000 })
})

test('property: whatever is stuffed, the reader sees one message without a bare line end', () => {
  const rule = fc.property(hostileText, cuts, (text, at) => {
    const wire = stuffAll(chunked(text, at)).toString('latin1')
    assert.equal(wire, stuffAll([bytes(text)]).toString('latin1'))
    const reading = read(wire)
    assert.equal(reading.ended, true)
    assert.equal(reading.rest, '')
    assert.equal(reading.fault, null)
    // To one who drops NULs it is the same one message.
    assert.equal(read(wire.replaceAll('\0', '')).rest, '')
    const repaired = text.replace(/\r\n|\r|\n/g, '\r\n').replace(/(?<=^|\r\n)\0+(?=\.)/g, '')
    assert.equal(reading.message, repaired === '' || repaired.endsWith('\r\n') ? repaired : `${repaired}\r\n`)
  })
  fc.assert(rule, { numRuns: 5_000 })
})

test('NULs before the dot of a line stay out: a receiver that drops them would see a dot that is not doubled', () => {
  const table: [string, string][] = [
    ['a\r\n\0.\r\nb\r\n', 'a\r\n..\r\nb\r\n.\r\n'],
    ['\0\0.\0\r\n', '..\0\r\n.\r\n'],
    ['a\n\0.\nb', 'a\r\n..\r\nb\r\n.\r\n'],
    ['\0.x\r\n', '..x\r\n.\r\n'],
    ['\0x.\r\n', '\0x.\r\n.\r\n'],
    ['\0\r\n', '\0\r\n.\r\n'],
    ['a\r\n\0', 'a\r\n\0\r\n.\r\n'],
  ]
  for (const [text, wire] of table) {
    assert.equal(stuffAll([bytes(text)]).toString('latin1'), wire, JSON.stringify(text))
    const one = text.split('').map((byte) => bytes(byte))
    assert.equal(stuffAll(one).toString('latin1'), wire, JSON.stringify(text))
  }
})

test('a message without a final line end gets one on the wire', () => {
  assert.equal(stuffAll([bytes('a')]).toString(), 'a\r\n.\r\n')
  assert.equal(stuffAll([bytes('a\r')]).toString(), 'a\r\n.\r\n')
  assert.equal(stuffAll([]).toString(), '.\r\n')
})

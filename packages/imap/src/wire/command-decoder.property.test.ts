import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { CommandDecoder } from './command-decoder.ts'

const NOWHERE = Promise.resolve({ segment: 0, offset: 0, length: 0 })

const limits = { commandLineBytesMax: 200, literalsPerCommandMax: 3 }

/** What a decoder makes of the chunks, with streamed literals joined; how literals are answered depends on their size. */
function decode(chunks: readonly Uint8Array[]): unknown[] {
  const decoder = new CommandDecoder(limits)
  const seen: unknown[] = []
  let streamed: Buffer[] = []
  const drain = () => {
    for (let event = decoder.next(); event !== undefined; event = decoder.next()) {
      if (event.kind === 'literal') {
        seen.push({ literal: event.announcement, parts: [...event.parts] })
        if (event.announcement.bytes % 3 === 0) decoder.hold()
        else if (event.announcement.bytes % 3 === 1) decoder.stream()
        else decoder.refuse()
      } else if (event.kind === 'data') {
        streamed.push(event.chunk)
        if (!event.last) continue
        const bytes = Buffer.concat(streamed)
        streamed = []
        seen.push({ streamed: bytes.toString('latin1') })
        decoder.stored({
          kind: 'stored',
          length: bytes.length,
          blob: NOWHERE,
          bytes: undefined,
        })
      } else seen.push(structuredClone({ ...event, parts: 'parts' in event ? event.parts.length : 0 }))
    }
  }
  for (const chunk of chunks) {
    decoder.push(Buffer.from(chunk))
    drain()
  }
  seen.push({ left: decoder.bufferedBytes, atRest: decoder.atRest })
  return seen
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  let at = 0
  for (let turn = 0; at < bytes.length; turn++) {
    const size = sizes.length === 0 ? bytes.length : Math.max(1, sizes[turn % sizes.length] ?? 1)
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

const fragment = fc.oneof(
  fc.constantFrom(
    'a1 NOOP',
    '\r\n',
    '\n',
    '\r',
    '{3}\r\nabc',
    '{4+}\r\nabcd',
    '{5+}\r\nabcde',
    '~{3+}\r\na\0b',
    '{0}\r\n',
  ),
  fc.constantFrom('{99999999999999999}', '{-1}', '"q {3}"', '{2+}\r\n', 'x'.repeat(150), ' ', '{300+}\r\n', '{7}\r\n'),
  fc.string(),
)
const stream = fc.array(fragment).map((pieces) => Buffer.from(pieces.join(''), 'latin1'))

test('any chunking of the same bytes gives the same events', () => {
  fc.assert(
    fc.property(stream, fc.array(fc.integer({ min: 1, max: 12 })), (bytes, sizes) => {
      assert.deepEqual(decode(cut(bytes, sizes)), decode([bytes]))
    }),
    { numRuns: 500 },
  )
})

test('random bytes never throw and never pile up', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 400 })), (chunks) => {
      decode(chunks)
    }),
    { numRuns: 300 },
  )
})

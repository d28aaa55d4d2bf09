// Splits a letter that comes in pieces into its header and what follows, within limits that keep a header cheap to read.
import { messageAuthLimits } from './limits.ts'

/** The header is so large, or of so many lines, that nothing is made of it. */
export class HeaderTooLarge extends Error {}

export interface SplitLetter {
  /** With the empty line at its end, if there is one. */
  header: Buffer
  rest: AsyncIterable<Uint8Array>
}

/** @throws HeaderTooLarge */
export async function readHeader(letter: AsyncIterable<Uint8Array>): Promise<SplitLetter> {
  const pieces = letter[Symbol.asyncIterator]()
  let all: Buffer = Buffer.alloc(0)
  let looked = 0
  for (;;) {
    const { value, done } = await pieces.next()
    if (done === true) return { header: checked(all), rest: following(Buffer.alloc(0), pieces) }
    all = all.length === 0 ? Buffer.from(value.buffer, value.byteOffset, value.length) : Buffer.concat([all, value])
    const end = emptyLineEnd(all, Math.max(0, looked - 3))
    if (end >= 0) return { header: checked(all.subarray(0, end)), rest: following(all.subarray(end), pieces) }
    looked = all.length
    if (looked > messageAuthLimits.headerBytesMax) throw new HeaderTooLarge()
  }
}

function checked(header: Buffer): Buffer {
  const { headerBytesMax, headerLinesMax } = messageAuthLimits
  let lines = 0
  for (let at = header.indexOf(10); at >= 0; at = header.indexOf(10, at + 1)) lines++
  if (header.length > headerBytesMax || lines > headerLinesMax) throw new HeaderTooLarge()
  return header
}

function emptyLineEnd(bytes: Buffer, from: number): number {
  if (from === 0) {
    if (bytes[0] === 10) return 1
    if (bytes[0] === 13 && bytes[1] === 10) return 2
  }
  const crlf = bytes.indexOf('\n\r\n', from, 'latin1')
  const lf = bytes.indexOf('\n\n', from, 'latin1')
  if (lf >= 0 && (crlf < 0 || lf < crlf)) return lf + 2
  return crlf < 0 ? -1 : crlf + 3
}

async function* following(first: Buffer, pieces: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  if (first.length > 0) yield first
  for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value
}

// What must hold for the index of any bytes.
import assert from 'node:assert/strict'
import type { MessageIndex, MimePart } from '../src/types.ts'
import { mailLimits } from '../src/types.ts'

export function assertSound(bytes: Uint8Array, index: MessageIndex): void {
  assert.equal(index.v, 1)
  assert.equal(index.root.headerStart, 0)
  assert.equal(index.root.bodyEnd, bytes.length)
  assertPart(bytes, index.root, 0, bytes.length, 0)
  assert.ok(index.preview.length <= mailLimits.previewCharactersMax)
  assert.doesNotMatch(index.preview, /[\r\n\t]/)
  assert.ok(index.preview.isWellFormed())
  assert.doesNotMatch(index.subject, /[\r\n\0]/)
  assert.ok(index.references.every((id) => /^[^<> \r\n]+$/.test(id)))
  assert.deepEqual(JSON.parse(JSON.stringify(index)), index)
}

function assertPart(bytes: Uint8Array, part: MimePart, start: number, end: number, depth: number): void {
  assert.ok(start <= part.headerStart && part.headerStart <= part.headerEnd, 'header inside')
  assert.equal(part.headerEnd, part.bodyStart)
  assert.ok(part.bodyStart <= part.bodyEnd && part.bodyEnd <= end, 'body inside')
  assert.ok(depth <= mailLimits.mimeDepthMax)
  assert.equal(part.type, part.type.toLowerCase())
  assert.equal(part.encoding, part.encoding.toLowerCase())
  const isMessage = part.type === 'message' && (part.subtype === 'rfc822' || part.subtype === 'global')
  assert.equal(part.envelope !== null, isMessage)
  if (isMessage) assert.equal(part.children.length, 1)
  else if (part.type === 'multipart') assert.ok(part.children.length > 0)
  else assert.equal(part.children.length, 0)
  if (part.type === 'text' || isMessage) assert.equal(part.lines, linesOf(bytes.subarray(part.bodyStart, part.bodyEnd)))
  let position = part.bodyStart
  for (const child of part.children) {
    assertPart(bytes, child, position, part.bodyEnd, depth + 1)
    position = child.bodyEnd
  }
}

function linesOf(body: Uint8Array): number {
  let lines = 0
  for (const byte of body) if (byte === 10) lines += 1
  return body.length > 0 && body.at(-1) !== 10 ? lines + 1 : lines
}

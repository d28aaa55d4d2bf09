// Columns of numbers in a file.
import { IndexDamaged } from './paged-file.ts'

/** A view where the bytes lie so that it can be one. @throws IndexDamaged */
export function numbersOf(bytes: Buffer): Uint32Array {
  if (bytes.length % 4 !== 0) throw new IndexDamaged('half a number')
  if (bytes.byteOffset % 4 === 0) return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  return new Uint32Array(new Uint8Array(bytes).buffer)
}

export function bytesOf(numbers: Uint32Array): Buffer {
  return Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength)
}

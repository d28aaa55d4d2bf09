// Values as bytes, little-endian: a writer that grows and a reader that goes on from field to field.
import { assert } from '@skein/runtime'

/** Grows as needed; `take` gives out a copy and begins anew. */
export class RecordWriter {
  #bytes = Buffer.allocUnsafe(4096)
  #at = 0

  #room(count: number): number {
    if (this.#at + count > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + count))
      this.#bytes.copy(larger, 0, 0, this.#at)
      this.#bytes = larger
    }
    const at = this.#at
    this.#at += count
    return at
  }

  u8(value: number): void {
    const at = this.#room(1)
    this.#bytes[at] = value
  }

  u16(value: number): void {
    const at = this.#room(2)
    this.#bytes.writeUInt16LE(value, at)
  }

  u32(value: number): void {
    const at = this.#room(4)
    this.#bytes.writeUInt32LE(value, at)
  }

  /** Any safe integer, or other number. */
  f64(value: number): void {
    const at = this.#room(8)
    this.#bytes.writeDoubleLE(value, at)
  }

  /** At most 255 bytes of UTF-8. */
  shortText(text: string): void {
    const length = Buffer.byteLength(text)
    assert(length <= 255, 'a short text')
    this.u8(length)
    const at = this.#room(length)
    this.#bytes.write(text, at, length, length === text.length ? 'latin1' : 'utf8')
  }

  longText(text: string): void {
    const length = Buffer.byteLength(text)
    this.u32(length)
    const at = this.#room(length)
    this.#bytes.write(text, at, length, 'utf8')
  }

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** Room for a `u16` that `fill16` writes: how many bytes have come since. */
  hole16(): number {
    return this.#room(2)
  }

  fill16(at: number): void {
    const length = this.#at - at - 2
    assert(length < 2 ** 16, 'a record of less than 64 KiB')
    this.#bytes.writeUInt16LE(length, at)
  }

  /** Room for a `u32` that `fill32` writes. */
  hole32(): number {
    return this.#room(4)
  }

  fill32(at: number, value: number): void {
    this.#bytes.writeUInt32LE(value, at)
  }

  /** Bytes written since the last `take`. */
  get length(): number {
    return this.#at
  }

  /** Ascending numbers, as ranges. */
  numbers(ascending: readonly number[]): void {
    const countAt = this.hole32()
    let ranges = 0
    for (let from = 0; from < ascending.length; ranges++) {
      let to = from
      while (ascending[to + 1] === (ascending[to] as number) + 1) to += 1
      this.u32(ascending[from] as number)
      this.u32(ascending[to] as number)
      from = to + 1
    }
    this.fill32(countAt, ranges)
  }

  take(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#at))
    this.#at = 0
    if (this.#bytes.length > 1024 * 1024) this.#bytes = Buffer.allocUnsafe(4096)
    return taken
  }
}

// One scratch area for numbers: reading doubles by way of it is several times faster than readDoubleLE on many buffers.
const scratch = new Float64Array(1)
const scratchBytes = new Uint8Array(scratch.buffer)

export class RecordReader {
  readonly #bytes: Buffer
  at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = asBuffer(bytes)
  }

  u8(): number {
    return this.#bytes.readUInt8(this.at++)
  }

  u16(): number {
    this.at += 2
    return this.#bytes.readUInt16LE(this.at - 2)
  }

  u32(): number {
    this.at += 4
    return this.#bytes.readUInt32LE(this.at - 4)
  }

  f64(): number {
    const bytes = this.#bytes
    const at = this.at
    if (at + 8 > bytes.length) throw new RangeError('the record ends too early')
    this.at += 8
    for (let index = 0; index < 8; index++) scratchBytes[index] = bytes[at + index] as number
    return scratch[0] as number
  }

  get atEnd(): boolean {
    return this.at >= this.#bytes.length
  }

  /** What `RecordWriter.numbers` wrote. */
  numbers(): number[] {
    const numbers: number[] = []
    for (let ranges = this.u32(); ranges > 0; ranges--) {
      const last = this.#bytes.readUInt32LE(this.at + 4)
      for (let number = this.u32(); number <= last; number++) numbers.push(number)
      this.at += 4
    }
    return numbers
  }

  shortText(): string {
    const length = this.u8()
    this.at += length
    if (this.at > this.#bytes.length) throw new RangeError('the record ends too early')
    return this.#bytes.toString('utf8', this.at - length, this.at)
  }

  longText(): string {
    const length = this.u32()
    this.at += length
    if (this.at > this.#bytes.length) throw new RangeError('the record ends too early')
    return this.#bytes.toString('utf8', this.at - length, this.at)
  }
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

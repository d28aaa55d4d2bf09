// A file of the index: written once from front to end, then only read. Promises: bytes come back as they were written,
// or `IndexDamaged` is thrown; nothing is read that was not asked for, but whole pages of it.
import { closeSync, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'

/** The index can't be trusted: it is thrown away and made again. */
export class IndexDamaged extends Error {}

const PAGE_BYTES = 32 * 1024
const TRAILER_BYTES = 16
const MAGIC = 0x534b5831

/** Pages, then a CRC for each, then a trailer: magic, pages, length (two halves). */
export class PagedFileWriter {
  readonly #fd: number
  readonly #page = Buffer.allocUnsafe(PAGE_BYTES)
  #filled = 0
  #waiting: Buffer[] = []
  #waitingBytes = 0
  readonly #sums: number[] = []
  length = 0

  constructor(path: string) {
    this.#fd = openSync(path, 'w', 0o600)
  }

  write(bytes: Uint8Array): void {
    this.length += bytes.length
    for (let at = 0; at < bytes.length;) {
      const count = Math.min(PAGE_BYTES - this.#filled, bytes.length - at)
      this.#page.set(bytes.subarray(at, at + count), this.#filled)
      this.#filled += count
      at += count
      if (this.#filled === PAGE_BYTES) this.#endPage()
    }
  }

  #endPage(): void {
    const page = Buffer.from(this.#page.subarray(0, this.#filled))
    this.#sums.push(crc32(page))
    this.#filled = 0
    this.#put(page)
  }

  #put(bytes: Buffer): void {
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    if (this.#waitingBytes >= 32 * PAGE_BYTES) this.#drain()
  }

  #drain(): void {
    const bytes = Buffer.concat(this.#waiting)
    for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at)
    this.#waiting = []
    this.#waitingBytes = 0
  }

  /** On disk when it returns. */
  finish(): void {
    if (this.#filled > 0) this.#endPage()
    const tail = Buffer.alloc(this.#sums.length * 4 + TRAILER_BYTES)
    for (const [at, sum] of this.#sums.entries()) tail.writeUInt32LE(sum, at * 4)
    const trailer = tail.length - TRAILER_BYTES
    tail.writeUInt32LE(MAGIC, trailer)
    tail.writeUInt32LE(crc32(tail.subarray(0, trailer)), trailer + 4)
    tail.writeDoubleLE(this.length, trailer + 8)
    this.#put(tail)
    this.#drain()
    fdatasyncSync(this.#fd)
    closeSync(this.#fd)
  }

  abort(): void {
    closeSync(this.#fd)
  }
}

export class PagedFile {
  readonly #fd: number
  readonly #sums: Uint32Array
  /** Pages that were right when they were first read. */
  readonly #checked: Uint8Array
  readonly length: number

  /** @throws IndexDamaged */
  constructor(path: string) {
    try {
      this.#fd = openSync(path, 'r')
    } catch (cause) {
      throw new IndexDamaged(`${path} can't be opened`, { cause })
    }
    try {
      const { size } = fstatSync(this.#fd)
      const trailer = this.#raw(size - TRAILER_BYTES, size)
      this.length = trailer.readDoubleLE(8)
      const pages = Math.ceil(this.length / PAGE_BYTES)
      if (trailer.readUInt32LE(0) !== MAGIC || size !== this.length + pages * 4 + TRAILER_BYTES) {
        throw new IndexDamaged(`${path} is cut short`)
      }
      const sums = this.#raw(this.length, this.length + pages * 4)
      if (crc32(sums) !== trailer.readUInt32LE(4)) throw new IndexDamaged(`${path} is damaged`)
      this.#sums = new Uint32Array(pages)
      for (let at = 0; at < pages; at++) this.#sums[at] = sums.readUInt32LE(at * 4)
      this.#checked = new Uint8Array(pages)
    } catch (error) {
      closeSync(this.#fd)
      throw error
    }
  }

  #raw(start: number, end: number): Buffer {
    if (start < 0 || end < start) throw new IndexDamaged('a place outside the file')
    const bytes = Buffer.allocUnsafe(end - start)
    for (let at = 0; at < bytes.length;) {
      const count = readSync(this.#fd, bytes, at, bytes.length - at, start + at)
      if (count === 0) throw new IndexDamaged('a file is cut short')
      at += count
    }
    return bytes
  }

  /** @throws IndexDamaged */
  read(start: number, end: number): Buffer {
    if (start < 0 || end > this.length || end < start) throw new IndexDamaged('a place outside the file')
    if (start === end) return Buffer.alloc(0)
    const first = Math.floor(start / PAGE_BYTES)
    const last = Math.floor((end - 1) / PAGE_BYTES)
    let unchecked = false
    for (let page = first; page <= last && !unchecked; page++) unchecked = this.#checked[page] === 0
    if (!unchecked) return this.#raw(start, end)
    const from = first * PAGE_BYTES
    const bytes = this.#raw(from, Math.min(this.length, (last + 1) * PAGE_BYTES))
    for (let page = first; page <= last; page++) {
      const at = (page - first) * PAGE_BYTES
      if (crc32(bytes.subarray(at, at + PAGE_BYTES)) !== this.#sums[page]) throw new IndexDamaged('a damaged page')
      this.#checked[page] = 1
    }
    return bytes.subarray(start - from, end - from)
  }

  readAll(): Buffer {
    return this.read(0, this.length)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

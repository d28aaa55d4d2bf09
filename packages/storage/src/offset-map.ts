// Where the records of a compacted segment lie now: sorted pairs (offset as written, offset now).
// A file of its own beside the segment; made again from the segment where it is lost.
import { readFile, writeFile } from 'node:fs/promises'
import { crc32 } from 'node:zlib'

const MAGIC = 0x504f4b53
const headerBytes = 16

export class OffsetMap {
  /** Pairs, ascending by the first. */
  readonly #pairs: Uint32Array

  constructor(pairs: Uint32Array) {
    this.#pairs = pairs
  }

  get count(): number {
    return this.#pairs.length / 2
  }

  /** Undefined where the record was not kept. */
  find(offset: number): number | undefined {
    let low = 0
    let high = this.count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const at = this.#pairs[middle * 2] as number
      if (at === offset) return this.#pairs[middle * 2 + 1]
      if (at < offset) low = middle + 1
      else high = middle - 1
    }
    return undefined
  }

  async save(path: string): Promise<void> {
    const body = Buffer.alloc(this.#pairs.length * 4)
    this.#pairs.forEach((value, index) => body.writeUInt32LE(value, index * 4))
    const header = Buffer.alloc(headerBytes)
    header.writeUInt32LE(MAGIC, 0)
    header.writeUInt32LE(this.count, 4)
    header.writeUInt32LE(crc32(body), 8)
    await writeFile(path, Buffer.concat([header, body]), { flush: true, mode: 0o600 })
  }

  /** Undefined where the file is missing or damaged. */
  static async load(path: string): Promise<OffsetMap | undefined> {
    const bytes = await readFile(path).catch(() => undefined)
    if (!bytes || bytes.length < headerBytes || bytes.readUInt32LE(0) !== MAGIC) return undefined
    const count = bytes.readUInt32LE(4)
    const body = bytes.subarray(headerBytes)
    if (body.length !== count * 8 || crc32(body) !== bytes.readUInt32LE(8)) return undefined
    const pairs = new Uint32Array(count * 2)
    for (let index = 0; index < pairs.length; index++) pairs[index] = body.readUInt32LE(index * 4)
    return new OffsetMap(pairs)
  }
}

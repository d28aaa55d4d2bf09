// A message that arrives in pieces. Small: kept in memory and appended with the others. Large: written to a segment
// file of its own as it comes, under a temporary name until it is whole and durable; memory stays bounded.
import { rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlobRef, BlobWriter } from '@skein/mailboxes'
import { SkeinError, assert } from '@skein/runtime'
import { crc32 } from 'node:zlib'
import type { DiskSpace } from './disk-space.ts'
import { type Disk, isNoSpace } from './disk.ts'
import { BlockSums, blockBytes, encodeFileHeader, encodeTable, fileHeaderBytes } from './record-format.ts'
import { recordHeaderBytes, writeRecordHeader } from './record-format.ts'
import { type Segment, segmentName } from './segment-files.ts'

/** Where the streamed bytes begin in a solo segment; the prefix, known only at the end, goes right before. */
const soloBodyStart = 64 * 1024
const soloPrefixMax = soloBodyStart - fileHeaderBytes - recordHeaderBytes
/** Written to disk in pieces of about this size. */
const pieceBytes = 256 * 1024

export interface StreamComponents {
  disk: Disk
  directory: string
  space: DiskSpace
  append(parts: readonly Uint8Array[]): Promise<BlobRef>
  newSoloSegment(): Promise<Segment>
  /** The file of that segment is whole and durable. */
  addSolo(segment: Segment): void
  failure(): SkeinError | null
}

interface SoloFile {
  segment: Segment
  fd: number
  position: number
  sums: BlockSums
}

export function createBlobWriter(components: StreamComponents, soloBytes: number): BlobWriter {
  return new StreamWriter(components, soloBytes)
}

class StreamWriter implements BlobWriter {
  readonly #components: StreamComponents
  readonly #soloBytes: number
  length = 0
  #held: Uint8Array[] = []
  #heldBytes = 0
  #file: SoloFile | null = null
  #done = false
  /** Writes follow one another; the first failure stays. */
  #tail: Promise<void> | null = null
  #failure: unknown = null

  constructor(components: StreamComponents, soloBytes: number) {
    this.#components = components
    this.#soloBytes = soloBytes
  }

  write(chunk: Uint8Array): Promise<void> | void {
    assert(!this.#done, 'a blob writer takes nothing after its end')
    if (this.#failure) throw this.#failure
    if (chunk.length === 0) return
    this.length += chunk.length
    this.#held.push(Uint8Array.prototype.slice.call(chunk))
    this.#heldBytes += chunk.length
    if (this.length <= this.#soloBytes || this.#heldBytes < pieceBytes) return
    return this.#flush()
  }

  #flush(): Promise<void> {
    const pieces = this.#held
    this.#held = []
    this.#heldBytes = 0
    const step = async () => {
      if (this.#failure) throw this.#failure
      try {
        this.#file ??= await this.#openFile()
        await this.#writePieces(this.#file, pieces)
      } catch (cause) {
        this.#failure = this.#errorOf(cause)
        throw this.#failure
      }
    }
    const tail = this.#tail ? this.#tail.then(step) : step()
    // Whoever does not wait for this piece hears of its failure with the next one, or at the end.
    tail.catch(() => {})
    this.#tail = tail
    return tail
  }

  #errorOf(cause: unknown): unknown {
    if (cause instanceof SkeinError) return cause
    if (isNoSpace(cause)) return new SkeinError('disk-full', 'temporary', 'the disk is full', cause)
    return new SkeinError('store-failed', 'temporary', 'the disk of this server failed', cause)
  }

  async #openFile(): Promise<SoloFile> {
    const failure = this.#components.failure()
    if (failure) throw failure
    await this.#components.space.check()
    const segment = await this.#components.newSoloSegment()
    const fd = await this.#components.disk.open(this.#path(segment, true), 'w+')
    return { segment, fd, position: soloBodyStart, sums: new BlockSums() }
  }

  #path(segment: Segment, temporary: boolean): string {
    return join(this.#components.directory, `${segmentName(segment)}${temporary ? '.tmp' : ''}`)
  }

  async #writePieces(file: SoloFile, pieces: readonly Uint8Array[]): Promise<void> {
    await this.#components.disk.writev(file.fd, pieces, file.position)
    for (const piece of pieces) {
      file.sums.update(piece)
      file.position += piece.length
    }
  }

  async *written(): AsyncIterable<Uint8Array> {
    await this.#tail
    if (this.#file) yield* this.#streamed(this.#file)
    yield* this.#held
  }

  async *#streamed({ fd, position }: SoloFile): AsyncIterable<Uint8Array> {
    for (let at = soloBodyStart; at < position;) {
      const piece = Buffer.allocUnsafe(Math.min(pieceBytes, position - at))
      const count = await this.#components.disk.read(fd, piece, at)
      if (count < piece.length) throw new SkeinError('store-failed', 'temporary', 'the disk of this server failed')
      yield piece
      at += count
    }
  }

  async finish(prefix: readonly Uint8Array[] = []): Promise<BlobRef> {
    assert(!this.#done, 'a blob writer is finished once')
    this.#done = true
    const prefixBytes = prefix.reduce((sum, part) => sum + part.length, 0)
    try {
      if (!this.#file && !this.#tail) return await this.#components.append([...prefix, ...this.#held])
      if (prefixBytes > soloPrefixMax) return await this.#finishRewritten(prefix)
      await this.#flush()
      return await this.#finishFile(this.#file as unknown as SoloFile, Buffer.concat(prefix))
    } catch (cause) {
      await this.#discard()
      throw this.#errorOf(cause)
    } finally {
      this.#held = []
    }
  }

  async #finishFile(file: SoloFile, prefix: Buffer): Promise<BlobRef> {
    const { disk, directory } = this.#components
    const sums = file.sums.finish()
    if (prefix.length > 0) sums.unshift(crc32(prefix))
    const table = encodeTable(sums)
    const payloadAt = soloBodyStart - prefix.length
    const head = Buffer.alloc(fileHeaderBytes + recordHeaderBytes)
    encodeFileHeader(file.segment.number).copy(head)
    const length = this.length + prefix.length
    writeRecordHeader(head.subarray(fileHeaderBytes), {
      segment: file.segment.number,
      offset: fileHeaderBytes,
      length,
      firstBlock: prefix.length > 0 ? prefix.length : blockBytes,
      tableCrc: crc32(table),
      payloadStart: payloadAt - fileHeaderBytes,
    })
    await disk.writev(file.fd, [head], 0)
    await disk.writev(file.fd, [prefix], payloadAt)
    await disk.writev(file.fd, [table], file.position)
    await disk.fdatasync(file.fd)
    await rename(this.#path(file.segment, true), this.#path(file.segment, false))
    await disk.syncDirectory(directory)
    this.#file = null
    await disk.close(file.fd)
    file.segment.size = file.position + table.length
    this.#components.addSolo(file.segment)
    return { segment: file.segment.number, offset: fileHeaderBytes, length }
  }

  /** More trace headers than there is room for: everything is written once more, behind them. */
  async #finishRewritten(prefix: readonly Uint8Array[]): Promise<BlobRef> {
    await this.#flush()
    const file = this.#file as SoloFile
    const copy = new StreamWriter(this.#components, 0)
    try {
      for (const part of prefix) await copy.write(part)
      for await (const piece of this.#streamed(file)) await copy.write(piece)
      const ref = await copy.finish()
      await this.#discard()
      return ref
    } catch (cause) {
      if (!copy.#done) await copy.abort()
      throw cause
    }
  }

  async abort(): Promise<void> {
    this.#done = true
    this.#held = []
    await this.#discard()
  }

  async #discard(): Promise<void> {
    await this.#tail?.catch(() => {})
    const file = this.#file
    if (!file) return
    this.#file = null
    await this.#components.disk.close(file.fd).catch(() => {})
    await unlink(this.#path(file.segment, true)).catch(() => {})
  }
}

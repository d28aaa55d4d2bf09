// The message log in memory, with the promises of the one on disk: a ref is good once append has resolved, and a crash
// loses what was not synced. Bytes can be damaged on purpose.
import type { BlobRef, BlobWriter, MessageLog } from '@skein/mailboxes'
import { SkeinError, assert } from '@skein/runtime'
import { SyncedWrites, type MemoryDiskSettings } from './synced-writes.ts'

const streamChunkBytes = 256 * 1024

export interface MemoryMessageLog extends MessageLog {
  /** Cuts the power: this log never answers again. Returns the log as the next start finds it. */
  crash(): MemoryMessageLog
  /** From now on the bytes of `ref` can't be read. */
  damage(ref: BlobRef): void
  /** Appends from now on fail with this error, until it is called with undefined. */
  failAppends(error: Error | undefined): void
  /** Blobs let go, in the order of the calls. */
  readonly released: readonly BlobRef[]
}

interface LogMemory {
  blobs: Map<number, Uint8Array>
  nextOffset: number
}

export function createMemoryMessageLog(settings: MemoryDiskSettings = {}): MemoryMessageLog {
  return new MemoryLog({ blobs: new Map(), nextOffset: 0 }, settings)
}

class MemoryLog implements MemoryMessageLog {
  readonly #memory: LogMemory
  readonly #settings: MemoryDiskSettings
  readonly #disk: SyncedWrites
  readonly released: BlobRef[] = []
  #failure: Error | undefined

  constructor(memory: LogMemory, settings: MemoryDiskSettings) {
    this.#memory = memory
    this.#settings = settings
    this.#disk = new SyncedWrites(settings)
  }

  async append(parts: readonly Uint8Array[]): Promise<BlobRef> {
    if (this.#failure) throw this.#failure
    const bytes = new Uint8Array(Buffer.concat(parts))
    const offset = this.#memory.nextOffset
    // One more, so that two empty messages differ.
    this.#memory.nextOffset += bytes.length + 1
    await this.#disk.write(() => this.#memory.blobs.set(offset, bytes))
    return { segment: 1, offset, length: bytes.length }
  }

  writer(): BlobWriter {
    return new MemoryWriter(this)
  }

  read(ref: BlobRef, start = 0, end = ref.length): Promise<Uint8Array> {
    assert(start >= 0 && start <= end && end <= ref.length, 'a range within the message')
    return this.#disk.read(() => {
      const bytes = this.#memory.blobs.get(ref.offset)
      if (ref.segment !== 1 || bytes?.length !== ref.length) {
        throw new SkeinError('message-damaged', 'permanent', 'the stored message is damaged')
      }
      return bytes.slice(start, end)
    })
  }

  async *stream(ref: BlobRef, start = 0, end = ref.length): AsyncIterable<Uint8Array> {
    for (let at = start; at < end; at += streamChunkBytes) {
      yield await this.read(ref, at, Math.min(end, at + streamChunkBytes))
    }
  }

  release(ref: BlobRef): void {
    this.released.push(ref)
  }

  damage(ref: BlobRef): void {
    this.#memory.blobs.delete(ref.offset)
  }

  failAppends(error: Error | undefined): void {
    this.#failure = error
  }

  crash(): MemoryMessageLog {
    this.#disk.crash()
    return new MemoryLog(this.#memory, this.#settings)
  }
}

class MemoryWriter implements BlobWriter {
  readonly #log: MemoryLog
  #chunks: Uint8Array[] = []
  #done = false
  length = 0

  constructor(log: MemoryLog) {
    this.#log = log
  }

  write(chunk: Uint8Array): void {
    assert(!this.#done, 'a blob writer takes nothing after its end')
    this.#chunks.push(Uint8Array.prototype.slice.call(chunk))
    this.length += chunk.length
  }

  async *written(): AsyncIterable<Uint8Array> {
    yield* this.#chunks
  }

  finish(prefix: readonly Uint8Array[] = []): Promise<BlobRef> {
    assert(!this.#done, 'a blob writer is finished once')
    this.#done = true
    return this.#log.append([...prefix, ...this.#chunks])
  }

  async abort(): Promise<void> {
    this.#done = true
    this.#chunks = []
  }
}

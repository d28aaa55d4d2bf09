// A MessageLog in memory, for the courier's tests: streams in chunks of a size that the test chooses.
import type { BlobRef, MessageLog } from '@skein/mailboxes'

export interface MemoryLog extends MessageLog {
  put(bytes: Buffer | string): BlobRef
  chunkBytes: number
  /** Thrown by `stream` after its first chunk. */
  streamError: Error | null
}

export function createMemoryLog(): MemoryLog {
  const blobs: Buffer[] = []
  const log: MemoryLog = {
    chunkBytes: 1000,
    streamError: null,
    put(bytes) {
      const copy = Buffer.from(bytes as string, 'latin1')
      blobs.push(copy)
      return { segment: 0, offset: blobs.length - 1, length: copy.length }
    },
    append: async (parts) => log.put(Buffer.concat(parts)),
    writer() {
      throw new Error('not in these tests')
    },
    read: async (ref, start = 0, end = ref.length) => (blobs[ref.offset] as Buffer).subarray(start, end),
    async *stream(ref, start = 0, end = ref.length) {
      const bytes = (blobs[ref.offset] as Buffer).subarray(start, end)
      for (let at = 0; at < bytes.length; at += log.chunkBytes) {
        yield bytes.subarray(at, at + log.chunkBytes)
        if (log.streamError) throw log.streamError
      }
    },
    release() {},
  }
  return log
}

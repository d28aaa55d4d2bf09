// Messages that travel to the worker together; their bytes are handed over, not shared.
import type { MessageRecord } from '@skein/mailboxes'
import { searchLimits } from './limits.ts'
import type { GivenLetter } from './requests.ts'

export class Batch {
  readonly letters: GivenLetter[] = []
  readonly transfer: ArrayBuffer[] = []
  #bytes = 0

  /** @param bytes null: can't be read */
  add(uid: number, bytes: Uint8Array | null): void {
    if (bytes === null) {
      this.letters.push({ uid, bytes })
      return
    }
    // What others may still look at, or lies in a pool, is copied.
    const own =
      bytes.byteLength > 256 * 1024 && bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
    this.letters.push({ uid, bytes: own })
    this.transfer.push(own.buffer as ArrayBuffer)
    this.#bytes += own.length
  }

  get isFull(): boolean {
    return this.letters.length >= searchLimits.batchMessagesMax || this.#bytes >= searchLimits.batchBytesMax
  }
}

/** In pieces, so that checking a large message does not hold up others. */
export async function readWhole(
  source: {
    stream(record: MessageRecord): AsyncIterable<Uint8Array>
    body(record: MessageRecord): Promise<Uint8Array>
  },
  record: MessageRecord,
): Promise<Uint8Array> {
  if (record.size <= 256 * 1024) return source.body(record)
  const whole = new Uint8Array(record.size)
  let at = 0
  for await (const chunk of source.stream(record)) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

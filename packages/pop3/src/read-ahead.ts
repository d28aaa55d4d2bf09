// Messages read before they are asked for: whoever fetches one after the other does not wait for the disk each time.
// Promises: small messages only, few for each session, and for all sessions together no more bytes than the budget.
import type { Pop3Limits } from './limits.ts'

/** Bytes that may be read ahead, shared by all sessions. */
export class ReadAheadBudget {
  #left: number

  constructor(bytesMax: number) {
    this.#left = bytesMax
  }

  get left(): number {
    return this.#left
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#left += bytes
  }
}

interface Entry {
  size: number
  bytes: Uint8Array | Promise<Uint8Array>
}

export interface ReadAheadSource {
  /** Undefined where there is no such message, or none that will be asked for. */
  sizeOf(number: number): number | undefined
  read(number: number): Promise<Uint8Array>
}

export class ReadAhead {
  readonly #source: ReadAheadSource
  readonly #budget: ReadAheadBudget
  readonly #limits: Pop3Limits
  readonly #entries = new Map<number, Entry>()
  #last = 0

  constructor(source: ReadAheadSource, budget: ReadAheadBudget, limits: Pop3Limits) {
    this.#source = source
    this.#budget = budget
    this.#limits = limits
  }

  /** A promise only where it must be waited for. */
  take(number: number): Uint8Array | Promise<Uint8Array> {
    const entry = this.#entries.get(number)
    const isInOrder = number === this.#last + 1
    this.#last = number
    if (entry) this.#drop(number, entry)
    // What was passed over is not asked for any more.
    for (const [other, passed] of this.#entries) if (other <= number || !isInOrder) this.#drop(other, passed)
    const bytes = entry?.bytes ?? this.#source.read(number)
    if (isInOrder) this.#fill(number + 1)
    return bytes
  }

  clear(): void {
    for (const [number, entry] of this.#entries) this.#drop(number, entry)
  }

  #fill(from: number): void {
    const { readAheadMessagesMax, readAheadMessageBytesMax } = this.#limits
    for (let number = from; number < from + readAheadMessagesMax; number++) {
      if (this.#entries.has(number)) continue
      const size = this.#source.sizeOf(number)
      if (size === undefined || size > readAheadMessageBytesMax || !this.#budget.take(size)) return
      const reading = this.#source.read(number)
      const entry: Entry = { size, bytes: reading }
      this.#entries.set(number, entry)
      reading.then(
        (bytes) => (entry.bytes = bytes),
        // Told to whoever asks for it.
        () => {},
      )
    }
  }

  #drop(number: number, entry: Entry): void {
    this.#entries.delete(number)
    this.#budget.giveBack(entry.size)
  }
}

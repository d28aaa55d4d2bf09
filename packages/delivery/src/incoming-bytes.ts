// The bytes of a letter on its way in: a small letter's stay in memory as long as all such together fit, a larger one's go to the
// log as they come.
import type { BlobRef, BlobWriter, MessageLog } from '@skein/mailboxes'
import type { DeliveryLimits } from './limits.ts'

export class IncomingBytes {
  readonly #log: MessageLog
  /** Of all letters that are on their way in. */
  readonly #memory: { bytes: number }
  readonly #limits: DeliveryLimits
  #held: Buffer[] = []
  #heldBytes = 0
  #writer: BlobWriter | null = null

  constructor({ log, memory }: { log: MessageLog; memory: { bytes: number } }, limits: DeliveryLimits) {
    this.#log = log
    this.#memory = memory
    this.#limits = limits
  }

  get writer(): BlobWriter | null {
    return this.#writer
  }

  get held(): readonly Buffer[] {
    return this.#held
  }

  /** Keeps a copy, or hands the bytes on: whoever wrote them may use their memory again. */
  write(chunk: Uint8Array): Promise<void> | void {
    if (this.#writer) return this.#writer.write(chunk)
    const fits = this.#heldBytes + chunk.length <= this.#limits.intakeMemoryBytesPerLetterMax
    if (fits && this.#memory.bytes + chunk.length <= this.#limits.intakeMemoryBytesMax) {
      this.#held.push(Buffer.from(chunk))
      this.#heldBytes += chunk.length
      this.#memory.bytes += chunk.length
      return
    }
    this.#writer = this.#log.writer()
    const before = this.#held
    this.#forgetHeld()
    return this.writeAll([...before, chunk])
  }

  async writeAll(parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) {
      // Most of the time there is nothing to wait for.
      const written = part.length > 0 ? this.write(part) : undefined
      if (written) await written
    }
  }

  /** Durable when it resolves. @returns `bytes`: all of it, where it was in memory. */
  async finish(top: readonly Uint8Array[]): Promise<{ blob: BlobRef; bytes?: Uint8Array }> {
    if (this.#writer) return { blob: await this.#writer.finish([...top]) }
    const bytes = Buffer.concat([...top, ...this.#held])
    this.#forgetHeld()
    return { blob: await this.#log.append([bytes]), bytes }
  }

  async abort(): Promise<void> {
    this.#forgetHeld()
    await this.#writer?.abort()
  }

  #forgetHeld(): void {
    this.#memory.bytes -= this.#heldBytes
    this.#held = []
    this.#heldBytes = 0
  }
}

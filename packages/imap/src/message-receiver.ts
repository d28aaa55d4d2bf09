// A message on its way from the client into the message log, piece by piece.
// Promises: never whole in memory but when it is small; what no command takes over is let go.
import type { BlobWriter } from '@skein/mailboxes'
import type { CommandPart, StoredLiteral } from './wire/literal.ts'

/** Messages up to this size stay in memory until they are in, so that nobody has to read them back to look into them. */
const KEPT_MESSAGE_BYTES = 256 * 1024
/** The same for all the messages of one command together: beyond, they are read back from the log. */
const KEPT_TOGETHER_BYTES = 4 * 1024 * 1024
const KEPT_PIECES_MAX = 64

export class MessageReceiver {
  readonly #writer: BlobWriter
  readonly #keptBytesMax: number
  #kept: Buffer[] = []

  /** @param before the parts of the command so far. */
  constructor(writer: BlobWriter, before: readonly CommandPart[]) {
    this.#writer = writer
    let kept = 0
    for (const part of before) if (typeof part !== 'string' && part.kind === 'stored') kept += part.bytes?.length ?? 0
    this.#keptBytesMax = Math.min(KEPT_MESSAGE_BYTES, KEPT_TOGETHER_BYTES - kept)
  }

  /** Resolves when more may come. @throws what the log throws; the message is lost then. */
  async take(chunk: Buffer): Promise<void> {
    if (chunk.length === 0) return
    const taken = this.#writer.write(chunk)
    if (taken) await taken
    if (this.#writer.length > this.#keptBytesMax) this.#kept = []
    else if (this.#kept.push(chunk) > KEPT_PIECES_MAX) this.#kept = [Buffer.concat(this.#kept)]
  }

  /** Does not wait until it is durable: several messages of one command share the wait. */
  finish(): StoredLiteral {
    const length = this.#writer.length
    const bytes = length <= this.#keptBytesMax ? Buffer.concat(this.#kept) : undefined
    const blob = this.#writer.finish()
    // Awaited by the command; a failure before that is not an unhandled one.
    blob.catch(() => {})
    return { kind: 'stored', length, blob, bytes }
  }

  abort(): Promise<void> {
    return this.#writer.abort()
  }
}

/** Lets go of messages whose command never ran. */
export function releaseMessages(
  parts: readonly CommandPart[],
  log: { release(blob: Awaited<StoredLiteral['blob']>): void },
  onError: (error: unknown) => void,
): void {
  for (const part of parts) {
    if (typeof part !== 'string' && part.kind === 'stored') part.blob.then((blob) => log.release(blob), onError)
  }
}

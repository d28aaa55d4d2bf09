// Letters of other nodes that are too large for the offer: they come in pieces, one after the other. What came before is said again,
// what comes too early is refused. Promises: bounded in count and in time; one that is cut off leaves nothing.
import type { BlobWriter, MessageLog } from '@skein/mailboxes'
import { SkeinError, type Clock, type Logger, type Timer } from '@skein/runtime'
import type { DeliveryLimits } from './limits.ts'
import type { RelayOffer, RelayReply } from './relay-wire.ts'

interface Upload {
  offer: RelayOffer
  writer: BlobWriter
  received: number
  busy: boolean
  idle: Timer | undefined
}

export interface ErrandUploadsComponents {
  log: MessageLog
  clock: Clock
  logger: Logger
}

export class ErrandUploads {
  readonly #parts: ErrandUploadsComponents
  readonly #limits: DeliveryLimits
  /** By origin and ticket. */
  readonly #uploads = new Map<string, Upload>()

  constructor(components: ErrandUploadsComponents, limits: DeliveryLimits) {
    this.#parts = components
    this.#limits = limits
  }

  keys(): Iterable<string> {
    return this.#uploads.keys()
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#uploads.keys()].map((key) => this.#drop(key)))
  }

  begin(key: string, offer: RelayOffer): RelayReply {
    const standing = this.#uploads.get(key)
    if (standing) return { t: 'send', offset: standing.received }
    if (this.#uploads.size >= this.#limits.peerUploadsMax) {
      return { t: 'declined', code: 451, status: '4.3.2', text: 'too many large letters at once', again: true }
    }
    const upload: Upload = { offer, writer: this.#parts.log.writer(), received: 0, busy: false, idle: undefined }
    this.#uploads.set(key, upload)
    this.#watch(key, upload)
    return { t: 'send', offset: 0 }
  }

  /** @param whole called in the moment in which the letter is no upload any more, so that it is never unknown in between. */
  async take(
    key: string,
    offset: number,
    bytes: Uint8Array,
    whole: (offer: RelayOffer, writer: BlobWriter) => Promise<RelayReply>,
  ): Promise<RelayReply> {
    const upload = this.#uploads.get(key)
    if (!upload) return { t: 'declined', code: 451, status: '4.4.2', text: 'begin again', again: true }
    if (offset + bytes.length > upload.offer.size) {
      await this.#drop(key)
      throw otherSize()
    }
    if (offset !== upload.received || upload.busy) return { t: 'send', offset: upload.received }
    this.#watch(key, upload)
    upload.busy = true
    upload.received += bytes.length
    try {
      await upload.writer.write(bytes)
    } finally {
      upload.busy = false
    }
    if (upload.received < upload.offer.size || this.#uploads.get(key) !== upload) {
      return { t: 'send', offset: upload.received }
    }
    this.#uploads.delete(key)
    upload.idle?.cancel()
    return whole(upload.offer, upload.writer)
  }

  #watch(key: string, upload: Upload): void {
    upload.idle?.cancel()
    upload.idle = this.#parts.clock.setTimer(this.#limits.peerUploadIdleMs, () => void this.#drop(key))
  }

  async #drop(key: string): Promise<void> {
    const upload = this.#uploads.get(key)
    if (!upload) return
    this.#uploads.delete(key)
    upload.idle?.cancel()
    await upload.writer.abort().catch((error: unknown) => {
      this.#parts.logger.warn({ err: error }, 'an interrupted letter could not be taken back')
    })
  }
}

export function otherSize(): SkeinError {
  return new SkeinError('malformed-relay-request', 'refused', 'the letter has another size than was offered')
}

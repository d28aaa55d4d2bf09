// Takes letters from other nodes for accounts whose home this node is, and answers when they are on its disk.
// Interrupted uploads leave nothing; a letter offered again is put in once (delivery ids).
import { createHash, type Hash } from 'node:crypto'
import type { Directory } from '@skein/accounts'
import { formatReceived, formatReturnPath } from '@skein/mail'
import type { BlobRef, BlobWriter, MessageLog } from '@skein/mailboxes'
import {
  SkeinError,
  type Clock,
  type Logger,
  type NodeId,
  type PeerLink,
  type Random,
  type Timer,
} from '@skein/runtime'
import { answers, answerToError, type Answer } from './answers.ts'
import { decodeMailRequest, encodeMail, type Data, type MailReply, type Offer, type PeerResult } from './peer-wire.ts'
import type { Addressee, Placement } from './placement.ts'
import type { DeliveryLimits } from './limits.ts'
import type { Tracer } from './trace.ts'

export interface PeerReceiverComponents {
  link: PeerLink
  log: MessageLog
  directory: Directory
  placement: Placement
  tracer: Tracer
  clock: Clock
  random: Random
  logger: Logger
}

export interface PeerReceiverSettings {
  hostName: string
  limits: DeliveryLimits
}

interface Upload {
  from: NodeId
  offer: Offer
  writer: BlobWriter
  hash: Hash
  /** Bytes written or being written. */
  received: number
  /** Chunks that came before their turn, by offset; at most as many as a sender keeps in flight. */
  early: Map<number, Data>
  writing: boolean
  idle: Timer | undefined
}

/** The part of an offer that this node can act on. */
interface Sorted {
  addressees: Addressee[]
  refused: PeerResult[]
}

export class PeerReceiver {
  readonly #parts: PeerReceiverComponents
  readonly #settings: PeerReceiverSettings
  readonly #uploads = new Map<string, Upload>()
  readonly #working = new Set<Promise<unknown>>()
  #stopped = false

  constructor(components: PeerReceiverComponents, settings: PeerReceiverSettings) {
    this.#parts = components
    this.#settings = settings
  }

  start(): void {
    this.#parts.link.handle('mail', async (from, payload) => {
      const request = decodeMailRequest(payload)
      if (this.#stopped) throw new SkeinError('peer-unreachable', 'temporary', 'this node is stopping')
      const work = request.t === 'offer' ? this.#offer(from, request) : this.#data(from, request)
      this.#working.add(work)
      try {
        return encodeMail(await work)
      } finally {
        this.#working.delete(work)
      }
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.allSettled(this.#working)
    await Promise.all([...this.#uploads.keys()].map((token) => this.#drop(token)))
  }

  get uploads(): number {
    return this.#uploads.size
  }

  async #offer(from: NodeId, offer: Offer): Promise<MailReply> {
    const { limits } = this.#settings
    if (offer.recipients.length > limits.peerOfferRecipientsMax) {
      throw new SkeinError('too-many-recipients', 'refused', 'too many recipients in one offer')
    }
    const { addressees, refused } = this.#sort(offer)
    if (addressees.length === 0) return { t: 'results', results: refused }
    if (offer.body) {
      if (offer.body.length !== offer.size)
        throw new SkeinError('malformed-mail-request', 'refused', 'the size is wrong')
      const bytes = Buffer.concat([this.#traceHeader(from, offer), offer.body])
      return this.#store(from, offer, () => this.#parts.log.append([bytes]), bytes)
    }
    // A letter that this mesh would not have taken in can't come from a member in good faith, but room for headers is left.
    if (offer.size > limits.messageBytesMax + limits.headerBytesMax) {
      const text = 'the letter is larger than this node takes'
      const results = offer.recipients.map(({ index }) => verdict(index, 'permanent', 552, '5.3.4', text))
      return { t: 'results', results }
    }
    return this.#beginUpload(from, offer)
  }

  #beginUpload(from: NodeId, offer: Offer): MailReply {
    const { limits } = this.#settings
    let fromThere = 0
    for (const upload of this.#uploads.values()) if (upload.from === from) fromThere++
    if (this.#uploads.size >= limits.peerUploadsMax || fromThere >= limits.peerUploadsPerPeerMax) return { t: 'busy' }
    const token = Buffer.from(this.#parts.random.bytes(12)).toString('hex')
    const upload: Upload = {
      from,
      offer,
      writer: this.#parts.log.writer(),
      hash: createHash('sha256'),
      received: 0,
      early: new Map(),
      writing: false,
      idle: undefined,
    }
    this.#uploads.set(token, upload)
    this.#watch(token, upload)
    return { t: 'take', upload: token }
  }

  /** A sender that falls silent leaves nothing behind. */
  #watch(token: string, upload: Upload): void {
    upload.idle?.cancel()
    upload.idle = this.#parts.clock.setTimer(this.#settings.limits.peerUploadIdleMs, () => void this.#drop(token))
  }

  async #drop(token: string): Promise<void> {
    const upload = this.#uploads.get(token)
    if (!upload) return
    this.#uploads.delete(token)
    upload.idle?.cancel()
    await upload.writer.abort().catch((error: unknown) => {
      this.#parts.logger.warn({ err: error }, 'an interrupted letter could not be taken back')
    })
  }

  async #data(from: NodeId, data: Data): Promise<MailReply> {
    const token = data.upload
    const upload = this.#uploads.get(token)
    if (!upload || upload.from !== from) return { t: 'unknown-upload' }
    if (data.offset + data.bytes.length > upload.offer.size) {
      await this.#drop(token)
      throw new SkeinError('malformed-mail-request', 'refused', 'more bytes than were offered')
    }
    // What came already (the network repeated it) says nothing new.
    if (data.offset < upload.received || upload.early.has(data.offset)) return { t: 'more' }
    if (upload.early.size >= 2 * this.#settings.limits.peerChunksInFlight) return { t: 'busy' }
    this.#watch(token, upload)
    upload.early.set(data.offset, data)
    return upload.writing ? { t: 'more' } : this.#write(token, upload)
  }

  /** Writes what is in its turn; one writer at a time. Whoever writes the last chunk gets the results. */
  async #write(token: string, upload: Upload): Promise<MailReply> {
    upload.writing = true
    try {
      for (let data = upload.early.get(upload.received); data; data = upload.early.get(upload.received)) {
        upload.early.delete(data.offset)
        upload.received += data.bytes.length
        upload.hash.update(data.bytes)
        await upload.writer.write(data.bytes)
        if (!this.#uploads.has(token)) return { t: 'unknown-upload' }
        if (upload.received === upload.offer.size) return await this.#finish(token, upload, data)
      }
    } catch (error) {
      await this.#drop(token)
      throw error
    } finally {
      upload.writing = false
    }
    return { t: 'more' }
  }

  async #finish(token: string, upload: Upload, last: Data): Promise<MailReply> {
    if (!last.sha256 || !upload.hash.digest().equals(last.sha256)) {
      await this.#drop(token)
      throw new SkeinError('letter-damaged', 'temporary', 'the letter did not arrive as it was sent')
    }
    this.#uploads.delete(token)
    upload.idle?.cancel()
    const prefix = this.#traceHeader(upload.from, upload.offer)
    return this.#store(upload.from, upload.offer, () => upload.writer.finish([prefix]))
  }

  async #store(from: NodeId, offer: Offer, append: () => Promise<BlobRef>, bytes?: Uint8Array): Promise<MailReply> {
    const { log, placement, logger } = this.#parts
    // The map may have changed while the letter came in.
    const { addressees, refused } = this.#sort(offer)
    let blob: BlobRef
    try {
      blob = await append()
    } catch (error) {
      const answer = answerToError(error) ?? answers.internal
      if (answer === answers.internal) logger.error({ err: error, queueId: offer.id }, 'a letter could not be written')
      return { t: 'results', results: [...refused, ...addressees.map((it) => fromAnswer(it.index, answer))] }
    }
    const results = await placement.put(
      { id: offer.id, messageId: offer.messageId, blob, ...(bytes && { bytes }), ...(offer.junk && { junk: true }) },
      addressees,
    )
    if (!results.includes(answers.stored)) log.release(blob)
    this.#trace(from, offer, addressees, results)
    return {
      t: 'results',
      results: [...refused, ...addressees.map((it, at) => fromAnswer(it.index, results[at] ?? answers.internal))],
    }
  }

  /** The account counts, not the name: it may have another one by now. */
  #sort(offer: Offer): Sorted {
    const { directory } = this.#parts
    const addressees: Addressee[] = []
    const refused: PeerResult[] = []
    for (const { index, accountId, into } of offer.recipients) {
      const entry = directory.byAccountId(accountId)
      if (entry?.state === 'suspended') {
        refused.push(verdict(index, 'permanent', 550, '5.2.1', 'this mailbox is disabled'))
      } else if (entry?.home === directory.self) addressees.push({ index, accountId, ...(into && { into }) })
      else refused.push({ ...verdict(index, 'not-owner', 450, '4.2.1', answers.notHere.text), home: entry?.home ?? '' })
    }
    return { addressees, refused }
  }

  #traceHeader(from: NodeId, offer: Offer): Uint8Array {
    const { directory, clock } = this.#parts
    const node = directory.node(from)
    const only = offer.recipients.length === 1 ? offer.recipients[0] : undefined
    return Buffer.from(
      formatReturnPath(offer.from) +
        formatReceived({
          ...(node && { from: { helo: node.hostName, name: node.hostName, ip: ipOf(node.addresses) } }),
          by: this.#settings.hostName,
          protocol: 'SKEIN',
          id: offer.id,
          ...(only && { for: only.address }),
          dateMs: clock.nowMs(),
        }),
    )
  }

  #trace(from: NodeId, offer: Offer, addressees: readonly Addressee[], results: readonly Answer[]): void {
    const sender = this.#parts.directory.node(from)?.name ?? from
    const addresses = new Map(offer.recipients.map(({ index, address }) => [index, address]))
    this.#parts.tracer.record(
      offer,
      addressees.map(({ index }, at) => {
        const result = results[at] ?? answers.internal
        const what =
          result === answers.storedBefore ? 'duplicate' : result.kind === 'delivered' ? 'delivered' : 'deferred'
        return { what, recipient: addresses.get(index) ?? '', detail: `from ${sender}: ${result.text}` }
      }),
    )
  }
}

/** The first IP address among multiaddrs such as `/ip4/127.0.0.135/tcp/19835`. */
export function ipOf(addresses: readonly string[]): string {
  for (const address of addresses) {
    const [, protocol, ip] = address.split('/')
    if (ip && (protocol === 'ip4' || protocol === 'ip6')) return ip
  }
  return ''
}

function verdict(index: number, kind: PeerResult['verdict'], code: number, status: string, text: string): PeerResult {
  return { index, verdict: kind, code, status, text, home: '' }
}

function fromAnswer(index: number, { kind, code, status, text }: Answer): PeerResult {
  const stored = kind === 'delivered' ? (text === answers.storedBefore.text ? 'have' : 'stored') : kind
  return verdict(index, stored, code, status, text)
}

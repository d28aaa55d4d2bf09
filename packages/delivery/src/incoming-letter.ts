// One letter on its way in: its header is read as soon as it is whole, the rest is kept as it comes. What is wrong with it is said
// at the end, when the sender listens. Promises: when `finish` or `abort` is done, nothing is kept that is not ours.
import type { Directory } from '@skein/accounts'
import { formatReceived, formatReturnPath } from '@skein/mail'
import type { MessageLog } from '@skein/mailboxes'
import { SkeinError, type Clock, type Logger, type Random } from '@skein/runtime'
import { acceptLetter } from './acceptance.ts'
import { addresseesOf, type Addressees } from './addressees.ts'
import { examineLetter, type Taken } from './examination.ts'
import type { FullMailboxes } from './full-mailboxes.ts'
import { IncomingBytes } from './incoming-bytes.ts'
import { HeaderCollector, readRelayedHeader, readSubmittedHeader, type LetterHeader } from './letter-header.ts'
import type { DeliveryLimits } from './limits.ts'
import type { Placement } from './placement.ts'
import type { IntakeEnvelope, LetterExaminer, QueueId, QueueItem } from './ports.ts'
import { queueItemOf } from './queue-item.ts'
import type { RouteSettings } from './route.ts'
import { maySpeakAs, senderToTell } from './sender-check.ts'
import type { SendingAllowance } from './sending-allowance.ts'
import type { Suppression } from './suppression.ts'
import type { Tracer, TraceStep } from './trace.ts'

export interface IntakeComponents {
  log: MessageLog
  directory: Directory
  placement: Placement
  full: FullMailboxes
  suppression: Pick<Suppression, 'refusal'>
  allowance: SendingAllowance
  tracer: Tracer
  clock: Clock
  random: Random
  logger: Logger
  examiner?: LetterExaminer
  accepted?: (item: QueueItem) => void
  /** Bytes of small letters that are in memory on their way in, of all front doors together. */
  memory: { bytes: number }
  newId(): QueueId
  /** How many letters wait. */
  queued(): number
  /** Puts a letter into the queue, durable when it resolves; `steps` open its trace. */
  enqueue(item: QueueItem, steps: readonly TraceStep[]): Promise<void>
}

export interface IntakeSettings {
  hostName: string
  limits: DeliveryLimits
  routes: RouteSettings
}

/** One letter on its way in. Trouble met while it is written is said at the end, when the sender listens. */
export class IncomingLetter {
  readonly #parts: IntakeComponents
  readonly #settings: IntakeSettings
  readonly #envelope: IntakeEnvelope
  readonly #id: QueueId
  readonly #collector = new HeaderCollector()
  readonly #bytes: IncomingBytes
  #header: LetterHeader | null = null
  #refusal: SkeinError | null = null
  #over = false
  length = 0

  constructor(components: IntakeComponents, settings: IntakeSettings, envelope: IntakeEnvelope) {
    this.#parts = components
    this.#settings = settings
    this.#envelope = envelope
    this.#id = components.newId()
    this.#bytes = new IncomingBytes(components, settings.limits)
  }

  write(chunk: Uint8Array): Promise<void> | void {
    this.length += chunk.length
    if (this.#refusal) return
    const { messageBytesMax, headerBytesMax } = this.#settings.limits
    if (this.length > messageBytesMax) {
      this.#refusal = new SkeinError('message-too-large', 'permanent', `messages may have ${messageBytesMax} bytes`)
      return
    }
    if (this.#header) return this.#bytes.write(chunk)
    const complete = this.#collector.add(chunk)
    if (!complete) {
      if (this.#collector.length > headerBytesMax) this.#refusal = headerTooLarge(headerBytesMax)
      return
    }
    if (complete.header.length > headerBytesMax) {
      this.#refusal = headerTooLarge(headerBytesMax)
      return
    }
    this.#header = this.#read(complete.header)
    return this.#bytes.writeAll([...this.#header.bytes, complete.rest])
  }

  async abort(): Promise<void> {
    if (this.#over) return
    this.#over = true
    await this.#bytes.abort()
  }

  async finish(signal: AbortSignal): Promise<{ queueId: QueueId; direct: boolean; junk: boolean }> {
    try {
      if (!this.#header && !this.#refusal) {
        this.#header = this.#read(this.#collector.end())
        await this.#bytes.writeAll(this.#header.bytes)
      }
      this.#check()
    } catch (error) {
      await this.abort()
      throw error
    }
    const addressees = this.#addressees()
    const [first] = addressees.named
    // RFC 5321 §6.3: it left through these addresses before, and has no other way.
    if (first?.lost && addressees.named.every(({ lost }) => lost)) {
      await this.abort()
      throw new SkeinError('mail-loop', 'permanent', first.lost.text)
    }
    const found = await this.#examined(addressees, signal)
    const returnPath = Buffer.from(formatReturnPath(this.#envelope.from))
    const fields = Buffer.from(found.fields + this.#traceFields())
    this.#over = true
    const { blob, bytes } = await this.#bytes.finish([returnPath, fields])
    const header = this.#header as LetterHeader
    const { directory, clock } = this.#parts
    const facts = { id: this.#id, messageId: header.messageId, blob, returnPathBytes: returnPath.length, found }
    const item = queueItemOf(this.#envelope, addressees, facts, directory, clock.nowMs(), this.#settings.limits)
    return acceptLetter(this.#parts, this.#settings, {
      item,
      bytes,
      header: header.bytes,
      found,
      from: this.#envelope.source,
    })
  }

  async #examined(addressees: Addressees, signal: AbortSignal): Promise<Taken> {
    const { added, messageId } = this.#header as LetterHeader
    const letter = { id: this.#id, messageId, added, writer: this.#bytes.writer, held: this.#bytes.held }
    try {
      return await examineLetter(this.#parts, this.#envelope, addressees, letter, signal)
    } catch (error) {
      await this.abort()
      throw error
    }
  }

  #read(header: Buffer): LetterHeader {
    const isOurs = (name: string) => this.#isOurName(name)
    if (this.#envelope.source.kind !== 'submission') return readRelayedHeader(header, isOurs)
    const messageId = `${this.#id}@${this.#settings.hostName}`
    const { source, receivedMs } = this.#envelope
    const sender = (from: readonly string[]) =>
      source.account ? senderToTell(this.#parts.directory, source.account, from) : undefined
    return readSubmittedHeader(header, { messageId, nowMs: receivedMs, sender }, isOurs)
  }

  #isOurName(name: string): boolean {
    const { directory } = this.#parts
    if (name === this.#settings.hostName.toLowerCase() || directory.domain(name)) return true
    return directory.nodes().some((node) => node.hostName.toLowerCase() === name)
  }

  #check(): void {
    if (this.#refusal) throw this.#refusal
    const { limits, routes } = this.#settings
    const { source, recipients } = this.#envelope
    const header = this.#header as LetterHeader
    if (recipients.length > limits.recipientsMax) {
      throw new SkeinError('too-many-recipients', 'refused', `letters may have ${limits.recipientsMax} recipients`)
    }
    // RFC 5321 §6.3: a letter that has passed so many hands goes in circles.
    if (header.hops > limits.receivedHopsMax) {
      throw new SkeinError(
        'mail-loop',
        'permanent',
        `the letter has passed more than ${limits.receivedHopsMax} servers`,
      )
    }
    if (this.#parts.queued() >= limits.queueItemsInMemoryMax) {
      throw new SkeinError('queue-full', 'temporary', 'too many letters wait here')
    }
    const { directory } = this.#parts
    const account = source.account
    // Nobody speaks in another's name under one of our domains; what others' domains allow is theirs to check.
    if (source.kind !== 'submission' || !account) return
    for (const author of header.authors) {
      if (!directory.domain(author.slice(author.lastIndexOf('@') + 1))) continue
      if (maySpeakAs(directory, account, author, routes)) continue
      throw new SkeinError('sender-not-allowed', 'refused', `you may not send as ${author}`)
    }
    this.#parts.allowance.take(account.id, recipients.length)
  }

  #addressees(): Addressees {
    const { directory, logger } = this.#parts
    const { deliveredTo: passed } = this.#header as LetterHeader
    return addresseesOf(this.#envelope, directory, { ...this.#settings.routes, passed }, (alias, refusals) => {
      const passedOver = refusals.map(({ address, refusal }) => `${address}: ${refusal.text}`)
      logger.warn({ queueId: this.#id, alias, passedOver }, 'an alias leads to addresses that take no mail')
    })
  }

  #traceFields(): string {
    const { source, recipients, receivedMs } = this.#envelope
    const only = recipients.length === 1 ? recipients[0] : undefined
    return (
      formatReceived({
        from: { helo: source.helo, name: source.remoteName, ip: source.remoteAddress },
        by: this.#settings.hostName,
        protocol: source.protocol,
        id: this.#id,
        ...(only !== undefined && { for: only }),
        ...(source.tls !== null && { tls: source.tls }),
        dateMs: receivedMs,
      }) + (this.#header as LetterHeader).added
    )
  }
}

function headerTooLarge(bytes: number): SkeinError {
  return new SkeinError('header-too-large', 'permanent', `message headers may have ${bytes} bytes`)
}

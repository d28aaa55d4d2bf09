// Takes letters from the front doors. When `finish` has resolved the letter is ours: either in every mailbox that it is
// for, or durably in the queue. When it has thrown, nothing was kept, and whoever sent it still has it.
import type { Directory } from '@skein/accounts'
import { formatReceived, formatReturnPath } from '@skein/mail'
import type { BlobRef, BlobWriter, MessageLog } from '@skein/mailboxes'
import { SkeinError, type Clock, type Logger, type Random } from '@skein/runtime'
import { addresseesOf, keptAtHome, type Addressees, type NamedAddressee } from './addressees.ts'
import { answers, type Answer } from './answers.ts'
import { newRecipient } from './bounce.ts'
import { examineLetter, type Taken } from './examination.ts'
import type { FullMailboxes } from './full-mailboxes.ts'
import { HeaderCollector, readRelayedHeader, readSubmittedHeader, type LetterHeader } from './letter-header.ts'
import type { Placement } from './placement.ts'
import type { DeliveryLimits } from './limits.ts'
import {
  type DeliveryResult,
  type Intake,
  type IntakeEnvelope,
  type IntakeSource,
  type LetterExaminer,
  type LetterWriter,
  type QueueId,
  type QueueItem,
  type QueueRecipient,
  type RecipientVerdict,
  wantsNotice,
} from './ports.ts'
import { newNotice, oweSuccess } from './queue.ts'
import { checkRecipient } from './recipient-check.ts'
import { retryPauseMs } from './retry-schedule.ts'
import { routeRecipient, type RouteSettings } from './route.ts'
import { checkSender, maySpeakAs, senderToTell } from './sender-check.ts'
import type { SendingAllowance } from './sending-allowance.ts'
import { sentCopy } from './sent-copy.ts'
import type { Suppression } from './suppression.ts'
import { withTlsWish } from './tls-wish.ts'
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

export class DeliveryIntake implements Intake {
  readonly #parts: IntakeComponents
  readonly #settings: IntakeSettings
  readonly #finishing = new Set<Promise<unknown>>()
  #stopping = new AbortController()
  #open = false
  /** Letters that went into mailboxes without touching the queue. */
  direct = 0

  constructor(components: IntakeComponents, settings: IntakeSettings) {
    this.#parts = components
    this.#settings = settings
  }

  start(): void {
    this.#stopping = new AbortController()
    this.#open = true
  }

  /** Takes nothing new; resolves when what was being finished is. */
  async stop(): Promise<void> {
    this.#open = false
    this.#stopping.abort(new SkeinError('shutting-down', 'temporary', 'this node is stopping'))
    while (this.#finishing.size > 0) await Promise.allSettled(this.#finishing)
  }

  checkSender(source: IntakeSource, from: string): RecipientVerdict {
    const verdict = checkSender(this.#parts.directory, source, from, this.#settings.routes)
    return verdict.kind === 'accepted' ? (this.#spent(source) ?? verdict) : verdict
  }

  checkRecipient(source: IntakeSource, address: string, from?: string, size?: number): RecipientVerdict {
    const { directory, full, suppression } = this.#parts
    const components = {
      directory,
      isOverQuota: (account: string) => full.has(account, size),
      deadAddress: (outside: string) => suppression.refusal(outside),
    }
    const verdict = checkRecipient(components, source, address, this.#settings.routes, from)
    return verdict.kind === 'accepted' ? (this.#spent(source) ?? verdict) : verdict
  }

  /** He has sent as much as one user may for now. */
  #spent({ kind, account }: IntakeSource): RecipientVerdict | undefined {
    return kind === 'submission' && account ? this.#parts.allowance.refusal(account.id) : undefined
  }

  begin(envelope: IntakeEnvelope): LetterWriter {
    const letter = new IncomingLetter(this.#parts, this.#settings, envelope)
    return {
      get length() {
        return letter.length
      },
      write: (chunk) => letter.write(chunk),
      abort: () => letter.abort(),
      finish: async () => {
        if (!this.#open) {
          await letter.abort()
          throw new SkeinError('shutting-down', 'temporary', 'this node is stopping')
        }
        const work = letter.finish(this.#stopping.signal)
        this.#finishing.add(work)
        try {
          const outcome = await work
          if (outcome.direct) this.direct++
          return { queueId: outcome.queueId, junk: outcome.junk }
        } finally {
          this.#finishing.delete(work)
        }
      },
    }
  }
}

/** One letter on its way in. Trouble met while it is written is said at the end, when the sender listens. */
class IncomingLetter {
  readonly #parts: IntakeComponents
  readonly #settings: IntakeSettings
  readonly #envelope: IntakeEnvelope
  readonly #id: QueueId
  readonly #collector = new HeaderCollector()
  /** A small letter's pieces; a larger one's go to the log as they come. */
  #held: Buffer[] = []
  #heldBytes = 0
  #writer: BlobWriter | null = null
  #header: LetterHeader | null = null
  #refusal: SkeinError | null = null
  #over = false
  length = 0

  constructor(components: IntakeComponents, settings: IntakeSettings, envelope: IntakeEnvelope) {
    this.#parts = components
    this.#settings = settings
    this.#envelope = envelope
    this.#id = components.newId()
  }

  write(chunk: Uint8Array): Promise<void> | void {
    this.length += chunk.length
    if (this.#refusal) return
    const { messageBytesMax, headerBytesMax } = this.#settings.limits
    if (this.length > messageBytesMax) {
      this.#refusal = new SkeinError('message-too-large', 'permanent', `messages may have ${messageBytesMax} bytes`)
      return
    }
    if (this.#header) return this.#put(chunk)
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
    return this.#putAll([...this.#header.bytes, complete.rest])
  }

  async abort(): Promise<void> {
    if (this.#over) return
    this.#over = true
    this.#forgetHeld()
    await this.#writer?.abort()
  }

  async finish(signal: AbortSignal): Promise<{ queueId: QueueId; direct: boolean; junk: boolean }> {
    try {
      if (!this.#header && !this.#refusal) {
        this.#header = this.#read(this.#collector.end())
        await this.#putAll(this.#header.bytes)
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
    const item = (blob: BlobRef) => this.#item(addressees, blob, returnPath.length, found)
    this.#over = true
    if (this.#writer) return this.#accept(item(await this.#writer.finish([returnPath, fields])), undefined, found)
    const bytes = Buffer.concat([returnPath, fields, ...this.#held])
    this.#forgetHeld()
    return this.#accept(item(await this.#parts.log.append([bytes])), bytes, found)
  }

  async #examined(addressees: Addressees, signal: AbortSignal): Promise<Taken> {
    const { added, messageId } = this.#header as LetterHeader
    const letter = { id: this.#id, messageId, added, writer: this.#writer, held: this.#held }
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

  /** Keeps a copy, or hands the bytes on: whoever wrote them may use their memory again. */
  #put(chunk: Uint8Array): Promise<void> | void {
    const { memory, log } = this.#parts
    if (this.#writer) return this.#writer.write(chunk)
    const fits = this.#heldBytes + chunk.length <= this.#settings.limits.intakeMemoryBytesPerLetterMax
    if (fits && memory.bytes + chunk.length <= this.#settings.limits.intakeMemoryBytesMax) {
      this.#held.push(Buffer.from(chunk))
      this.#heldBytes += chunk.length
      memory.bytes += chunk.length
      return
    }
    this.#writer = log.writer()
    const before = this.#held
    this.#forgetHeld()
    return this.#putAll([...before, chunk])
  }

  async #putAll(parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) {
      // Most of the time there is nothing to wait for.
      const written = part.length > 0 ? this.#put(part) : undefined
      if (written) await written
    }
  }

  #forgetHeld(): void {
    this.#parts.memory.bytes -= this.#heldBytes
    this.#held = []
    this.#heldBytes = 0
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

  #item({ named, expansionsOwed }: Addressees, blob: BlobRef, returnPathBytes: number, found: Taken): QueueItem {
    const { from, receivedMs, source, smtpUtf8, eightBit, options } = this.#envelope
    const nowMs = this.#parts.clock.nowMs()
    const firstAttemptMs = Math.max(nowMs, options?.holdUntilMs ?? 0)
    const { directory } = this.#parts
    const kept = found.verdict === 'junk' ? keptAtHome(named, directory) : named
    const copy = sentCopy(directory, source, kept.length, nowMs, this.#settings.limits)
    const recipients = kept.map((it, index) => this.#recipient(it, index, firstAttemptMs))
    return {
      id: this.#id,
      from,
      recipients: copy ? [...recipients, copy] : recipients,
      blob,
      returnPathBytes,
      size: blob.length,
      messageId: (this.#header as LetterHeader).messageId,
      receivedMs,
      source: {
        kind: source.kind,
        remoteAddress: source.remoteAddress,
        node: directory.self,
        accountId: source.account?.id ?? null,
      },
      smtpUtf8,
      eightBit,
      ...(found.verdict === 'junk' && { junk: true }),
      ...(options && { options }),
      ...(expansionsOwed.length > 0 && { expansionsOwed }),
    }
  }

  #recipient({ address, original, options, forwardedFor, lost }: NamedAddressee, index: number, atMs: number) {
    const { directory } = this.#parts
    const recipient: QueueRecipient = {
      ...newRecipient(index, address, original, atMs, directory, options),
      ...(forwardedFor !== undefined && { forwardedFor }),
    }
    if (!lost) return recipient
    const { code, status, text } = lost
    const lastResult: DeliveryResult = {
      atMs,
      kind: 'permanent',
      code,
      status,
      text,
      courier: 'local',
      hop: directory.self,
    }
    const isTold = this.#envelope.from !== '' && wantsNotice(options, 'failure')
    return { ...recipient, state: 'failed' as const, lastResult, ...(isTold && { noticeOwed: index }) }
  }

  /** A few recipients, all here: straight into their mailboxes. Else, or where one takes nothing now: into the queue. */
  async #accept(
    item: QueueItem,
    bytes: Uint8Array | undefined,
    found: Taken,
  ): Promise<{ queueId: QueueId; direct: boolean; junk: boolean }> {
    const { directory, placement, log, enqueue, tracer } = this.#parts
    const { limits, routes } = this.#settings
    const steps: TraceStep[] = [this.#acceptedStep(item, found.detail)]
    const junk = found.verdict === 'junk'
    let waiting = item
    const addressees = item.recipients.flatMap((recipient) => {
      if (recipient.state !== 'pending') return []
      const route = routeRecipient(directory, recipient, routes)
      return route.kind === 'local' ? [{ index: recipient.index, accountId: route.accountId }] : []
    })
    const mayGoDirect = addressees.length === item.recipients.length && item.options?.holdUntilMs === undefined
    if (mayGoDirect && addressees.length <= limits.directRecipientsMax) {
      const results = await placement.put({ ...item, ...(bytes && { bytes }) }, addressees)
      waiting = this.#withResults(item, results, steps)
      if (isSettled(waiting)) {
        tracer.record(item, steps)
        this.#parts.accepted?.(item)
        return { queueId: item.id, direct: true, junk }
      }
    }
    if (waiting === item) {
      steps.push(...tracer.routes(item))
      waiting = withTlsWish(item, (this.#header as LetterHeader).bytes)
    }
    try {
      await enqueue(waiting, steps)
    } catch (error) {
      log.release(item.blob)
      throw error
    }
    this.#parts.accepted?.(item)
    return { queueId: item.id, direct: false, junk }
  }

  #acceptedStep(item: QueueItem, found: string): TraceStep {
    const { source } = this.#envelope
    const who = source.account?.address ?? `${source.helo} [${source.remoteAddress}]`
    const detail = `${item.size} bytes from ${who} by ${source.protocol}${found && `; ${found}`}`
    return { what: 'accepted', recipient: '', detail }
  }

  #withResults(item: QueueItem, results: readonly Answer[], steps: TraceStep[]): QueueItem {
    const { clock, random, directory } = this.#parts
    const atMs = clock.nowMs()
    const success = newNotice()
    const recipients = item.recipients.map((it, at): QueueRecipient => {
      const answer = results[at] ?? answers.internal
      const result: DeliveryResult = { ...answer, atMs, courier: 'local', hop: directory.self }
      const delivered = answer.kind === 'delivered'
      steps.push({
        what: delivered ? 'delivered' : 'deferred',
        recipient: it.address,
        detail: this.#parts.tracer.byWayOf(it) + answer.text,
      })
      const tried = { ...it, attempts: 1, lastResult: result }
      if (!delivered) return { ...tried, nextAttemptMs: atMs + retryPauseMs('mailbox', 1, random) }
      return oweSuccess(item, { ...tried, state: 'delivered', nextAttemptMs: atMs }, result, success)
    })
    return { ...item, recipients }
  }
}

/** Delivered, and nobody waits to hear of it. */
function isSettled({ recipients, expansionsOwed }: QueueItem): boolean {
  return !expansionsOwed && recipients.every((it) => it.state === 'delivered' && !it.successOwed)
}

function headerTooLarge(bytes: number): SkeinError {
  return new SkeinError('header-too-large', 'permanent', `message headers may have ${bytes} bytes`)
}

// One client: reads a command, finds it in the table, checks its state, runs it, writes the reply.
// Promises: one command at a time, in order; whatever a client does costs only its own connection.
import type { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { type SaslFacts, saslFactsOf, saslMechanismsOffered } from '@skein/accounts'
import type { PeerStream, Splice } from '@skein/runtime'
import { carryAway, wayHome } from './carried-away.ts'
import type { Elsewhere } from './carried-away.ts'
import type { AnswerCache } from './fetch/answer-cache.ts'
import { capabilityList } from './capabilities.ts'
import { CommandReader } from './command-reader.ts'
import type { Command, Context, ImapServices } from './commands/command.ts'
import type { ImapLimits } from './limits.ts'
import { Input } from './input.ts'
import { LiteralHandler } from './literal-handler.ts'
import type { LiteralDecision } from './literal-handler.ts'
import { News } from './news.ts'
import { ConnectionGone, Output } from './output.ts'
import { Progress } from './progress.ts'
import { bad, formatReply, ok } from './replies.ts'
import type { Reply } from './replies.ts'
import { SessionTimer } from './session-timer.ts'
import { closeAccount, nextState, nothingEnabled } from './session.ts'
import type { WordCache } from './sort/message-words.ts'
import type { Enabled, OpenAccount, SessionEvent, SessionState } from './session.ts'
import { Transport } from './transport.ts'
import type { SecureStream, StreamFacts } from './transport.ts'
import { CommandDecoder } from './wire/command-decoder.ts'
import type { DecoderEvent } from './wire/command-decoder.ts'
import type { CommandPart, LiteralAnnouncement } from './wire/literal.ts'

export interface ConnectionParts {
  services: ImapServices
  limits: ImapLimits
  answerCache: AnswerCache
  wordCache: WordCache
  product: { name: string; version: string }
  secureStream: SecureStream
  /** Whether UNAUTHENTICATE is to be had (RFC 8437 §8: it can be switched off). */
  unauthenticate: boolean
  clientAuthorities(): readonly X509Certificate[]
}

/** How a session begins. */
export type Opening =
  | { kind: 'starttls' | 'implicit' }
  /** Whoever it is has logged in already, at another node, with a command of that tag. */
  | { kind: 'authenticated'; account: OpenAccount; tag: string }

export class Connection implements Context {
  readonly services: ImapServices
  readonly limits: ImapLimits
  readonly answerCache: AnswerCache
  readonly wordCache: WordCache
  readonly product: { name: string; version: string }
  readonly out: Output
  readonly progress: Progress
  enabled: Enabled = nothingEnabled()
  /** In IDLE, with nothing to do. */
  watching = false
  readonly news: News
  tag = ''
  state: SessionState = { kind: 'not-authenticated' }
  readonly #transport: Transport
  readonly #clientAuthorities: () => readonly X509Certificate[]
  readonly #decoder: CommandDecoder
  readonly #input: Input
  readonly #reader: CommandReader
  readonly #literals: LiteralHandler
  readonly #timer: SessionTimer
  /** What the connection changes over to, once the running command is answered. */
  #changeTo: 'tls' | 'deflate' | 'stranger' | undefined
  #carried = false
  readonly #unauthenticate: boolean
  /** Why the connection ends: said as BYE as soon as nothing is being answered. */
  #leaving: string | undefined
  #badCommands = 0
  #account: OpenAccount | undefined
  /** Where the session goes on, once the command that runs is over. */
  #home: PeerStream | undefined

  constructor(stream: Duplex, facts: StreamFacts, parts: ConnectionParts) {
    const { clock } = parts.services
    this.services = parts.services
    this.limits = parts.limits
    this.answerCache = parts.answerCache
    this.wordCache = parts.wordCache
    this.product = parts.product
    this.#transport = new Transport(stream, facts, parts.secureStream)
    this.#clientAuthorities = parts.clientAuthorities
    this.#decoder = new CommandDecoder(this)
    this.out = new Output(stream, clock, parts.limits)
    this.progress = new Progress(this.out, clock, parts.limits.progressIntervalMs)
    this.#input = new Input(this.#decoder, clock, parts.limits.readAheadBytesMax)
    this.#reader = new CommandReader(this)
    this.#literals = new LiteralHandler(this, this.#decoder)
    this.news = new News(this)
    this.#unauthenticate = parts.unauthenticate
    this.#timer = new SessionTimer(this, clock, parts.limits)
  }

  /** For the decoder: strangers are given less. */
  get commandLineBytesMax(): number {
    const { commandLineBytesMax, preAuthLineBytesMax } = this.limits
    return this.loggedIn ? commandLineBytesMax : preAuthLineBytesMax
  }

  get literalsPerCommandMax(): number {
    return this.limits.literalsPerCommandMax
  }

  get remoteAddress(): string {
    return this.#transport.remoteAddress
  }

  get secure(): boolean {
    return this.#transport.secure
  }

  get compressed(): boolean {
    return this.#transport.compressed
  }

  get mayUnauthenticate(): boolean {
    return this.#unauthenticate && !this.#carried
  }

  get loginAllowed(): boolean {
    return this.secure || isLoopback(this.remoteAddress)
  }

  get loggedIn(): boolean {
    return this.state.kind !== 'not-authenticated'
  }

  /** It does nothing but wait for the client. */
  get waiting(): boolean {
    return this.#input.waiting
  }

  get lastInputMs(): number {
    return this.#input.lastMs
  }

  get sharing(): boolean {
    return this.services.directory !== undefined
  }

  /** Of whoever is logged in. */
  get accountAddress(): string | undefined {
    return this.#account?.address
  }

  /** The session itself: unique for each connection. */
  get origin(): unknown {
    return this
  }

  /** Serves the client until it is gone, or until its home does: then the way there is returned. Never rejects. */
  async serve(opening: Opening): Promise<Splice | undefined> {
    this.#timer.arm()
    try {
      await this.#open(opening)
      while (this.state.kind !== 'logged-out') {
        const event = await this.#nextEvent()
        this.out.startTurn()
        await this.#handle(event)
        if (this.#home !== undefined) return this.#handOver(this.#home)
        if (this.#leaving !== undefined) this.#bye(this.#leaving)
      }
    } catch (error) {
      if (!(error instanceof ConnectionGone)) this.logError(error, 'an IMAP connection failed')
    } finally {
      await this.#end()
    }
    return undefined
  }

  async #open(opening: Opening): Promise<void> {
    if (opening.kind === 'implicit') await this.#startTls()
    else this.#listen()
    if (opening.kind === 'authenticated') {
      this.#carried = true
      this.advance({ kind: 'logged-in', account: opening.account })
      this.out.text(formatReply(opening.tag, ok('Logged in', `CAPABILITY ${this.capabilities()}`)))
    } else {
      this.out.text(`* OK [CAPABILITY ${this.capabilities()}] ${this.product.name} is ready\r\n`)
    }
  }

  /** Says BYE: at once where the connection waits for input, else once the running command is answered. */
  leave(text: string): void {
    this.#leaving ??= text
    this.wake()
  }

  /** Has a waiting session look for what is to be told. */
  wake(): void {
    this.#input.wake()
  }

  destroy(): void {
    this.#transport.destroy()
  }

  /* ---------------------------------------------------------------- for the commands */

  advance(event: SessionEvent): void {
    const before = this.state
    this.state = nextState(before, event)
    // Somebody else's mailbox is listened to while it is selected.
    if (before.kind === 'selected' && before.mailboxes !== before.account.mailboxes) {
      this.news.unfollow(before.mailboxes)
    }
    if (this.state.kind === 'selected') this.news.follow(this.state.mailboxes)
    if (event.kind !== 'logged-in') return
    this.#badCommands = 0
    this.#account = event.account
    this.#timer.arm()
    this.news.follow(event.account.mailboxes)
  }

  capabilities(): string {
    return capabilityList(this)
  }

  saslFacts(): SaslFacts {
    const { remoteAddress, stream } = this.#transport
    const authorities = this.#clientAuthorities()
    return saslFactsOf({ remoteAddress, protocol: 'imap', stream, authorities, nowMs: this.services.clock.nowMs() })
  }

  /** For CAPABILITY. */
  mechanisms(): readonly string[] {
    return saslMechanismsOffered(this.services.authenticator, this.saslFacts())
  }

  async ask(text: string): Promise<string | undefined> {
    this.out.text(`+ ${text}\r\n`)
    this.#decoder.expectLine()
    const event = await this.#nextEvent()
    return event.kind === 'line' ? event.text : undefined
  }

  announce(expunges: boolean): Promise<void> {
    return this.news.announce(expunges)
  }

  async watch(): Promise<string> {
    this.#decoder.expectLine()
    for (;;) {
      const event = this.#decoder.next()
      if (event !== undefined) return event.kind === 'line' ? event.text : ''
      await this.announce(true)
      this.out.flush()
      if (this.out.congested) await this.out.breathe()
      if (this.news.waiting && this.#leaving === undefined) continue
      this.watching = true
      try {
        await this.#moreInput()
      } finally {
        this.watching = false
      }
    }
  }

  async goElsewhere(outcome: Elsewhere): Promise<Reply> {
    const way = await wayHome(this, outcome, this.#transport.stream)
    if ('status' in way) return way
    this.#home = way
    return ok('Said by the home')
  }

  changeLayer(to: 'deflate' | 'stranger'): boolean {
    // RFC 4978 §3: the client waits for the answer; RFC 8437 §3: here it need not.
    if (to === 'deflate' && this.#decoder.bufferedBytes > 0) return false
    this.#changeTo = to
    return true
  }

  tlsObstacle(): string | undefined {
    if (this.secure) return 'TLS is active already'
    // What was pipelined after STARTTLS came in clear and may be someone else's (RFC 9051 §6.2.1, §11.1).
    if (this.#decoder.bufferedBytes > 0) {
      this.#leaving = 'Nothing may follow STARTTLS in clear'
      return this.#leaving
    }
    return undefined
  }

  startTlsAfterReply(): void {
    this.#changeTo = 'tls'
  }

  /* ---------------------------------------------------------------- commands */

  async #handle(event: DecoderEvent): Promise<void> {
    if (event.kind === 'command') {
      // Some clients end a command, or what follows DONE, with one line end too many; nothing was asked.
      if (event.parts.every((part) => part === '')) return
      return this.#command(event.parts)
    }
    if (event.kind === 'literal') return this.#literals.announced(event.parts, event.announcement)
    if (event.kind === 'data') return this.#literals.data(event.chunk, event.last)
    if (event.kind === 'discarded') return this.#literals.discarded()
    if (event.kind === 'line') return
    this.#literals.release(event.parts)
    this.#badReply(event.tag ?? '*', bad('The command is too long'))
  }

  async #command(parts: CommandPart[]): Promise<void> {
    let reply: Reply
    let ran = false
    let command: Command | undefined
    try {
      const read = this.#reader.read(parts)
      command = read.command
      this.progress.start(this.tag)
      const args = command.parse(read.cursor)
      read.cursor.end()
      ran = true
      reply = await command.run(this, args)
    } catch (error) {
      if (error instanceof ConnectionGone) throw error
      reply = this.#reader.failure(error, command)
    }
    if (!ran) this.#literals.release(parts)
    if (this.#home !== undefined) return
    await this.announce(command?.keepsNumbers !== true)
    this.#answer(this.tag, reply)
    if (this.#changeTo !== undefined) await this.#changeOver(this.#changeTo)
  }

  async #changeOver(to: 'tls' | 'deflate' | 'stranger'): Promise<void> {
    this.#changeTo = undefined
    this.out.flush()
    if (to === 'tls') return this.#startTls()
    this.#input.deafen()
    if (to === 'deflate') {
      this.#transport.compress(this.services.clock)
    } else {
      await this.#transport.decompress()
      await this.#becomeStranger()
    }
    this.out.useSocket(this.#transport.stream)
    this.#listen()
  }

  /** RFC 8437 §3: nothing of the one who was here stays. */
  async #becomeStranger(): Promise<void> {
    this.news.stop()
    this.state = nextState(this.state, { kind: 'unauthenticated' })
    this.enabled = nothingEnabled()
    const account = this.#account
    this.#account = undefined
    if (account) await closeAccount(account)
    this.#timer.restart()
  }

  failure(error: unknown): Reply {
    return this.#reader.failure(error)
  }

  #answer(tag: string, reply: Reply): void {
    if (reply.status === 'BAD') return this.#badReply(tag, reply)
    // Whoever is logged in and gets something done is no flood; strangers' mistakes add up.
    if (reply.status === 'OK' && this.state.kind !== 'not-authenticated') this.#badCommands = 0
    this.out.text(formatReply(tag, reply))
  }

  #badReply(tag: string, reply: Reply): void {
    this.out.text(formatReply(tag, reply))
    this.countBad()
  }

  countBad(): void {
    if (++this.#badCommands >= this.limits.badCommandsMax) this.#leaving ??= 'Too many bad commands'
  }

  decide(parts: readonly CommandPart[], announcement: LiteralAnnouncement): { tag: string; decision: LiteralDecision } {
    return this.#reader.decide(parts, announcement)
  }

  /* ---------------------------------------------------------------- the stream */

  /** @throws ConnectionGone when the client has closed. */
  async #nextEvent(): Promise<DecoderEvent> {
    for (;;) {
      const event = this.#decoder.next()
      if (event !== undefined) return event
      await this.news.push()
      this.out.flush()
      await this.#moreInput()
    }
  }

  /** @throws ConnectionGone when there will be none: the client has closed, or we leave. */
  async #moreInput(): Promise<void> {
    if (this.#leaving === undefined && !this.#input.ended) await this.#input.wait()
    if (this.#leaving !== undefined) this.#bye(this.#leaving)
    if (this.#input.ended && this.#decoder.bufferedBytes === 0) throw new ConnectionGone('the client is gone')
  }

  #listen(): void {
    this.#input.listen(this.#transport.stream, () => this.out.close())
  }

  async #startTls(): Promise<void> {
    this.#input.deafen()
    try {
      await this.#transport.startTls()
    } catch (error) {
      this.services.logger.debug({ error, remote: this.remoteAddress }, 'a TLS handshake failed')
      throw new ConnectionGone('the TLS handshake failed')
    }
    this.out.useSocket(this.#transport.stream)
    this.#listen()
  }

  #handOver(home: PeerStream): Splice {
    this.out.flush()
    this.#input.deafen()
    const way = carryAway(this.#transport.stream, home, this.#decoder.takeAll(), this.services.clock)
    if (this.#leaving !== undefined) way.leave(`* BYE ${this.#leaving}\r\n`)
    return way
  }

  logError(error: unknown, message: string, command?: string): void {
    this.services.logger.error({ error, command, remote: this.remoteAddress }, message)
  }

  #bye(text: string): void {
    if (this.state.kind !== 'logged-out') {
      this.state = nextState(this.state, { kind: 'logged-out' })
      this.out.text(`* BYE ${text}\r\n`)
      this.out.flush()
    }
    throw new ConnectionGone(text)
  }

  async #end(): Promise<void> {
    this.#timer.cancel()
    this.news.stop()
    if (this.#home !== undefined) return
    this.out.flush()
    this.#transport.close(this.services.clock)
    try {
      await this.#literals.abort()
      if (this.#account) await closeAccount(this.#account)
    } catch (error) {
      this.logError(error, 'an IMAP session could not be put away')
    }
  }
}

/** 127.0.0.0/8 and ::1: this machine, where passwords may be told in clear. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}

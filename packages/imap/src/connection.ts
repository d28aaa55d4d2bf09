// One client: reads a command, finds it in the table, checks its state, runs it, writes the reply.
// Promises: one command at a time, in order; whatever a client does costs only its own connection.
import type { Socket } from 'node:net'
import type { BlobWriter } from '@skein/mailboxes'
import { assert } from '@skein/runtime'
import type { Timer } from '@skein/runtime'
import type { AnswerCache } from './fetch/answer-cache.ts'
import { capabilityList } from './capabilities.ts'
import { findCommand } from './commands/index.ts'
import type { Command, Context, ImapServices } from './commands/command.ts'
import type { ImapLimits } from './limits.ts'
import { Input } from './input.ts'
import { MessageReceiver, releaseMessages } from './message-receiver.ts'
import { ConnectionGone, Output } from './output.ts'
import { bad, formatReply, replyToError } from './replies.ts'
import type { Reply } from './replies.ts'
import { nextState } from './session.ts'
import type { Enabled, OpenAccount, SessionEvent, SessionState } from './session.ts'
import { CommandDecoder } from './wire/command-decoder.ts'
import type { DecoderEvent } from './wire/command-decoder.ts'
import { Cursor } from './wire/cursor.ts'
import type { CommandPart, LiteralAnnouncement } from './wire/literal.ts'
import { SyntaxFault } from './wire/syntax-error.ts'

export interface ConnectionParts {
  services: ImapServices
  limits: ImapLimits
  answerCache: AnswerCache
  product: { name: string; version: string }
  /** Puts TLS over a socket; resolves after the handshake. */
  secureSocket(socket: Socket): Promise<Socket>
}

export class Connection implements Context {
  readonly services: ImapServices
  readonly limits: ImapLimits
  readonly answerCache: AnswerCache
  readonly product: { name: string; version: string }
  readonly out: Output
  readonly remoteAddress: string
  readonly enabled: Enabled = { condstore: false, qresync: false, utf8: false }
  tag = ''
  state: SessionState = { kind: 'not-authenticated' }
  readonly #parts: ConnectionParts
  readonly #decoder: CommandDecoder
  #socket: Socket
  #secure = false
  #tlsWanted = false
  readonly #input: Input
  /** Why the connection ends: said as BYE as soon as nothing is being answered. */
  #leaving: string | undefined
  #newsPlanned = false
  readonly #startedMs: number
  #timer: Timer | undefined
  #badCommands = 0
  #stopWatching: (() => void) | undefined
  #receiver: MessageReceiver | undefined
  /** The answer to a command whose literal was refused, once that has been read past. */
  #refusal: string | undefined
  #account: OpenAccount | undefined

  constructor(socket: Socket, parts: ConnectionParts) {
    this.#parts = parts
    this.services = parts.services
    this.limits = parts.limits
    this.answerCache = parts.answerCache
    this.product = parts.product
    this.remoteAddress = socket.remoteAddress ?? ''
    this.#socket = socket
    this.#decoder = new CommandDecoder(this)
    this.out = new Output(socket, parts.services.clock, parts.limits)
    this.#input = new Input(this.#decoder, parts.services.clock, parts.limits.readAheadBytesMax)
    this.#startedMs = this.#input.lastMs
  }

  /** For the decoder: strangers are given less. */
  get commandLineBytesMax(): number {
    const { commandLineBytesMax, preAuthLineBytesMax } = this.limits
    return this.state.kind === 'not-authenticated' ? preAuthLineBytesMax : commandLineBytesMax
  }

  get literalsPerCommandMax(): number {
    return this.limits.literalsPerCommandMax
  }

  get secure(): boolean {
    return this.#secure
  }

  get loginAllowed(): boolean {
    return this.#secure || isLoopback(this.remoteAddress)
  }

  /** Of whoever is logged in. */
  get accountAddress(): string | undefined {
    return this.#account?.address
  }

  /** The session itself: unique for each connection. */
  get origin(): unknown {
    return this
  }

  /** Serves the client until it is gone. Never rejects. */
  async serve(mode: 'starttls' | 'implicit'): Promise<void> {
    this.#armTimer()
    try {
      if (mode === 'implicit') await this.#secureNow()
      this.#listen()
      this.out.text(`* OK [CAPABILITY ${this.capabilities()}] ${this.product.name} is ready\r\n`)
      while (this.state.kind !== 'logged-out') {
        const event = await this.#nextEvent()
        this.out.startTurn()
        await this.#handle(event)
        if (this.#leaving !== undefined) this.#bye(this.#leaving)
      }
    } catch (error) {
      if (!(error instanceof ConnectionGone)) this.#logError(error, 'an IMAP connection failed')
    } finally {
      await this.#end()
    }
  }

  /** Says BYE: at once where the connection waits for input, else once the running command is answered. */
  leave(text: string): void {
    this.#leaving ??= text
    this.#input.wake()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /* ---------------------------------------------------------------- for the commands */

  advance(event: SessionEvent): void {
    this.state = nextState(this.state, event)
    if (event.kind === 'logged-in') this.#watchAccount(event.account)
  }

  capabilities(): string {
    return capabilityList(this)
  }

  async ask(text: string): Promise<string | undefined> {
    this.out.text(`+ ${text}\r\n`)
    this.#decoder.expectLine()
    const event = await this.#nextEvent()
    return event.kind === 'line' ? event.text : undefined
  }

  async announce(expunges: boolean): Promise<void> {
    const state = this.state
    if (state.kind !== 'selected' || !state.view.hasNews) return
    const { view } = state
    if (view.gone) {
      this.#leaving ??= 'The selected mailbox was deleted'
      return
    }
    const live = await state.account.mailboxes.messages(view.mailbox)
    const options = { expunges, condstore: this.enabled.condstore, qresync: this.enabled.qresync }
    for (const text of view.announce(live, options)) {
      this.out.text(text)
      const pause = this.out.breathe()
      if (pause) await pause
    }
  }

  async watch(): Promise<string> {
    this.#decoder.expectLine()
    for (;;) {
      const event = this.#decoder.next()
      if (event !== undefined) return event.kind === 'line' ? event.text : ''
      await this.announce(true)
      this.out.flush()
      if (this.out.congested) await this.out.breathe()
      const state = this.state
      if (state.kind !== 'selected' || !state.view.hasNews || state.view.gone) await this.#moreInput()
    }
  }

  tlsObstacle(): string | undefined {
    if (this.#secure) return 'TLS is active already'
    // What was pipelined after STARTTLS came in clear and may be someone else's (RFC 9051 §6.2.1, §11.1).
    if (this.#decoder.bufferedBytes > 0) {
      this.#leaving = 'Nothing may follow STARTTLS in clear'
      return this.#leaving
    }
    return undefined
  }

  startTlsAfterReply(): void {
    this.#tlsWanted = true
  }

  /* ---------------------------------------------------------------- commands */

  async #handle(event: DecoderEvent): Promise<void> {
    if (event.kind === 'command') return this.#command(event.parts)
    if (event.kind === 'literal') return this.#literal(event.parts, event.announcement)
    if (event.kind === 'data') return this.#data(event.chunk, event.last)
    if (event.kind === 'discarded') {
      this.out.text(this.#refusal ?? '')
      this.#refusal = undefined
      return
    }
    if (event.kind === 'line') return
    this.#release(event.parts)
    this.#badReply(event.tag ?? '*', bad('The command is too long'))
  }

  async #command(parts: CommandPart[]): Promise<void> {
    let reply: Reply
    let ran = false
    let command: Command | undefined
    this.tag = '*'
    try {
      const cursor = this.#cursor(parts)
      this.tag = cursor.tag()
      cursor.space()
      command = this.#find(cursor)
      const args = command.parse(cursor)
      cursor.end()
      ran = true
      reply = await command.run(this, args)
    } catch (error) {
      if (error instanceof ConnectionGone) throw error
      reply = error instanceof SyntaxFault ? bad(capitalised(error.message)) : this.#failure(error, command)
    }
    if (!ran) this.#release(parts)
    await this.announce(command?.keepsNumbers !== true)
    this.#answer(this.tag, reply)
    if (this.#tlsWanted) {
      this.#tlsWanted = false
      this.out.flush()
      await this.#secureNow()
      this.#listen()
    }
  }

  #find(cursor: Cursor): Command {
    const command = findCommand(cursor)
    if (command === undefined) throw new SyntaxFault('there is no such command')
    if (!command.states.includes(this.state.kind)) throw new SyntaxFault(stateText(command, this.state))
    return command
  }

  #failure(error: unknown, command: Command | undefined): Reply {
    const { reply, unexpected } = replyToError(error, command?.hasDestination === true)
    if (unexpected) this.#logError(error, 'an IMAP command failed', command?.name)
    return reply
  }

  #answer(tag: string, reply: Reply): void {
    if (reply.status === 'BAD') return this.#badReply(tag, reply)
    // Whoever is logged in and gets something done is no flood; strangers' mistakes add up.
    if (reply.status === 'OK' && this.state.kind !== 'not-authenticated') this.#badCommands = 0
    this.out.text(formatReply(tag, reply))
  }

  #badReply(tag: string, reply: Reply): void {
    this.out.text(formatReply(tag, reply))
    if (++this.#badCommands >= this.limits.badCommandsMax) this.#leaving ??= 'Too many bad commands'
  }

  #cursor(parts: readonly CommandPart[]): Cursor {
    return new Cursor(parts, { nestingDepthMax: this.limits.nestingDepthMax, utf8: this.enabled.utf8 })
  }

  /* ---------------------------------------------------------------- literals */

  #literal(parts: readonly CommandPart[], announcement: LiteralAnnouncement): void {
    const decision = this.#decide(parts, announcement)
    if (decision !== 'hold' && 'status' in decision) return this.#refuseLiteral(decision, parts, announcement)
    if (decision === 'hold') {
      this.#decoder.hold()
    } else {
      this.#receiver = new MessageReceiver(decision)
      this.#decoder.stream()
    }
    if (announcement.synchronising) this.out.text('+ OK\r\n')
  }

  #decide(parts: readonly CommandPart[], announcement: LiteralAnnouncement): BlobWriter | 'hold' | Reply {
    this.tag = '*'
    try {
      const cursor = this.#cursor(parts)
      this.tag = cursor.tag()
      cursor.space()
      const command = this.#find(cursor)
      const decision = command.intake?.(this).accept(cursor, announcement) ?? 'hold'
      if (decision === 'hold' && announcement.bytes > this.commandLineBytesMax) {
        return bad('The literal is too long')
      }
      return decision
    } catch (error) {
      return error instanceof SyntaxFault ? bad(capitalised(error.message)) : this.#failure(error, undefined)
    }
  }

  #refuseLiteral(reply: Reply, parts: readonly CommandPart[], announcement: LiteralAnnouncement): void {
    this.#release(parts)
    if (!announcement.synchronising && announcement.bytes > this.limits.literalDiscardBytesMax) {
      // RFC 7888 §4: rather than reading all of it.
      this.#leaving = '[TOOBIG] The literal is too long'
      return
    }
    this.#refusal = formatReply(this.tag, reply)
    if (reply.status === 'BAD') this.#badCommands++
    this.#decoder.refuse()
  }

  async #data(chunk: Buffer, last: boolean): Promise<void> {
    const receiver = this.#receiver
    assert(receiver !== undefined, 'a streamed literal has a receiver')
    try {
      await receiver.take(chunk)
    } catch (error) {
      this.#receiver = undefined
      this.#release(this.#decoder.unfinished)
      this.#refusal = formatReply(this.tag, this.#failure(error, undefined))
      this.#decoder.abandon()
      await receiver.abort()
      return
    }
    if (!last) return
    this.#receiver = undefined
    this.#decoder.stored(receiver.finish())
  }

  #release(parts: readonly CommandPart[]): void {
    releaseMessages(parts, this.services.log, (error) => this.#logError(error, 'a message could not be written'))
  }

  /* ---------------------------------------------------------------- the socket */

  /** @throws ConnectionGone when the client has closed. */
  async #nextEvent(): Promise<DecoderEvent> {
    for (;;) {
      const event = this.#decoder.next()
      if (event !== undefined) return event
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
    this.#input.listen(this.#socket, () => this.out.close())
  }

  async #secureNow(): Promise<void> {
    const plain = this.#socket
    this.#input.deafen()
    try {
      this.#socket = await this.#parts.secureSocket(plain)
    } catch (error) {
      this.services.logger.debug({ error, remote: this.remoteAddress }, 'a TLS handshake failed')
      throw new ConnectionGone('the TLS handshake failed')
    }
    this.out.useSocket(this.#socket)
    this.#secure = true
  }

  #watchAccount(account: OpenAccount): void {
    this.#badCommands = 0
    this.#account = account
    this.#timer?.cancel()
    this.#armTimer()
    this.#stopWatching = account.mailboxes.onChange((change) => {
      const state = this.state
      if (state.kind !== 'selected') return
      state.view.note(change)
      if (!state.view.hasNews || this.#newsPlanned || !this.#input.waiting) return
      this.#newsPlanned = true
      // One look for all that is committed in the same moment.
      setImmediate(() => {
        this.#newsPlanned = false
        this.#input.wake()
      })
    })
  }

  #logError(error: unknown, message: string, command?: string): void {
    this.services.logger.error({ error, command, remote: this.remoteAddress }, message)
  }

  /** One timer for the two time-outs: before login since the start, afterwards since the last input. */
  #armTimer(): void {
    const { clock } = this.services
    const now = clock.monotonicMs()
    const before = this.state.kind === 'not-authenticated'
    const due = before ? this.#startedMs + this.limits.preAuthTimeoutMs : this.#input.lastMs + this.limits.idleTimeoutMs
    if (now < due) {
      this.#timer = clock.setTimer(due - now, () => this.#armTimer())
    } else if (!before && !this.#input.waiting) {
      // A long answer is on its way: whether the client takes it is watched by `Output`.
      this.#timer = clock.setTimer(this.limits.idleTimeoutMs, () => this.#armTimer())
    } else {
      this.leave(before ? 'Nobody logged in for too long' : 'Nothing came for too long')
      // Whatever hangs, as a TLS handshake may, is cut off.
      this.#timer = clock.setTimer(BYE_GRACE_MS, () => this.destroy())
    }
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
    this.#timer?.cancel()
    this.#stopWatching?.()
    this.out.flush()
    const socket = this.#socket
    socket.end()
    // What the client still sends is not read, and a client that keeps its half open is not waited for.
    socket.resume()
    if (!socket.destroyed) {
      const grace = this.services.clock.setTimer(BYE_GRACE_MS, () => socket.destroy())
      socket.once('close', () => grace.cancel())
    }
    this.#release(this.#decoder.unfinished)
    try {
      await this.#receiver?.abort()
      await this.#account?.mailboxes[Symbol.asyncDispose]()
    } catch (error) {
      this.#logError(error, 'an IMAP session could not be put away')
    }
  }
}

const BYE_GRACE_MS = 2_000

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function stateText(command: Command, state: SessionState): string {
  if (command.states.includes('not-authenticated')) return `${command.name} comes before login`
  if (state.kind === 'not-authenticated') return `${command.name} needs a login first`
  return `${command.name} needs a selected mailbox`
}

/** 127.0.0.0/8 and ::1: this machine, where passwords may be told in clear. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}

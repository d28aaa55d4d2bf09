// One client's connection: reads a command, finds it, checks its state, runs it, writes the answer, one at a time.
// Promises: answers come in the order of the commands, gathered while more are waiting; a client that does not read
// stops us from reading; whatever ends the connection, the mailbox is let go and nothing unsaid is deleted.
import { type SaslFacts, type SaslOutcome, saslFactsOf } from '@skein/accounts'
import { type PeerStream, type Splice, isLoopback } from '@skein/runtime'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { type Answer, type ErrorAnswer, answerForError, answerForLogin, answers, formatError, ok } from './answers.ts'
import { type SessionOpening, carryAway, goElsewhere } from './carried-away.ts'
import { commands } from './commands/index.ts'
import type { Pop3House } from './house.ts'
import type { Maildrop } from './maildrop.ts'
import type { CommandContext, Session } from './session.ts'
import { type Language, inLanguage } from './texts.ts'
import { LineReader } from './wire/line-reader.ts'
import { MessageWriter } from './wire/message-writer.ts'

const gatheredBytesMax = 64 * 1024
const lingerMs = 5_000

/** A client's bytes, whatever carries them. */
export interface ClientStream {
  stream: Duplex
  remoteAddress: string
  isSecure: boolean
}

/** What the server does when a connection is no longer served here. */
export interface ConnectionEnds {
  onClosed(): void
  /** Another node serves it. */
  onCarried(way: Splice): void
}

export class Pop3Connection implements CommandContext {
  readonly house: Pop3House
  readonly remoteAddress: string
  session: Session = { state: 'authorization', user: null, utf8: false }
  language: Language = 'en'
  isSecure: boolean
  /** Of whoever is logged in. */
  accountAddress: string | null = null
  readonly #ends: ConnectionEnds
  #socket: Duplex
  #lines: LineReader
  #isRunning = false
  /** Waits for the client's answer to a challenge. */
  #challenged: ((line: string | null) => void) | null = null
  #out: (Buffer | string)[] = []
  #outBytes = 0
  #badCommands = 0
  #authFailures = 0
  #deadlineMs = Infinity
  #isClosing = false
  #isHandshaking = false
  #isClosed = false
  #hasEnded = false
  #wakeWriter: (() => void) | null = null

  constructor(house: Pop3House, { stream, remoteAddress, isSecure }: ClientStream, ends: ConnectionEnds) {
    this.house = house
    this.#socket = stream
    this.#ends = ends
    this.remoteAddress = remoteAddress
    this.isSecure = isSecure
    this.#lines = new LineReader(house.limits.commandLineBytesMax)
    this.#listen(stream)
  }

  get mayLogIn(): boolean {
    return this.isSecure || isLoopback(this.remoteAddress)
  }

  /** True between commands: it may be sent away without harm. */
  get isIdle(): boolean {
    return !this.#isRunning
  }

  greet(): void {
    this.#clientsTurn()
    this.#put(`+OK ${this.house.hostName} POP3 ready\r\n`)
    this.#flush()
  }

  /** TLS before the greeting. */
  secureThenGreet(): void {
    this.#startTls(() => this.greet())
  }

  /** Goes on where another node took the log-in: with the answer to it. */
  goOn(maildrop: Maildrop, address: string, { utf8, language }: SessionOpening): void {
    this.language = language
    this.#clientsTurn()
    this.#putOk(this.#open(maildrop, address, utf8))
    this.#flush()
  }

  checkDeadline(nowMs: number): void {
    if (this.#isClosed || nowMs < this.#deadlineMs) return
    // RFC 1939 §3: an idle session ends without UPDATE. Whoever does not read would not read this either.
    if (this.#isClosing || this.#isHandshaking || this.#isRunning) this.destroy()
    else this.sendAway(answers.idle)
  }

  sendAway(answer: ErrorAnswer): void {
    if (this.#isClosing || this.#isClosed) return
    this.#put(formatError(answer, this.language))
    this.#close()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /* ---------------------------------------------------------------- the socket */

  #listen(socket: Duplex): void {
    socket.on('data', (chunk: Buffer) => {
      if (this.#isClosing) return
      this.#lines.push(chunk)
      if (this.#lines.waiting > this.house.limits.pipelinedBytesMax) socket.pause()
      if (!this.#isRunning) void this.#run()
      else this.#answerChallenge()
    })
    socket.on('end', () => {
      this.#hasEnded = true
      this.#challenged?.(null)
      if (!this.#isRunning) this.#close()
    })
    socket.on('drain', () => this.#wakeWriter?.())
    socket.on('error', (error) => {
      this.house.logger.debug({ remoteAddress: this.remoteAddress, error: error.message }, 'POP3 connection failed')
    })
    socket.once('close', () => this.#ended())
  }

  #ended(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#challenged?.(null)
    this.#wakeWriter?.()
    // A running QUIT has taken the mailbox out of the session, and lets go of it itself.
    if (this.session.state === 'transaction') {
      const { maildrop } = this.session
      this.session = { state: 'update' }
      maildrop.close().catch((error: unknown) => this.#unexpected(error))
    }
    this.#ends.onClosed()
  }

  #startTls(then: () => void): void {
    const raw = this.#socket
    raw.removeAllListeners('data')
    raw.removeAllListeners('end')
    raw.removeAllListeners('drain')
    const { limits, clock } = this.house
    const { context, clientAuthorities } = this.house.security()
    this.#deadlineMs = clock.monotonicMs() + limits.tlsHandshakeTimeoutMs
    this.#isHandshaking = true
    const secure = new TLSSocket(raw, {
      isServer: true,
      secureContext: context,
      // What is wrong with a certificate is told to whoever tries to log in with it.
      requestCert: clientAuthorities.length > 0,
      rejectUnauthorized: false,
    })
    this.#socket = secure
    this.#listen(secure)
    secure.once('secure', () => {
      this.isSecure = true
      this.#isHandshaking = false
      this.#lines = new LineReader(limits.commandLineBytesMax)
      this.#clientsTurn()
      then()
    })
  }

  #clientsTurn(): void {
    if (this.#isClosing || this.#isHandshaking) return
    this.#deadlineMs = this.house.clock.monotonicMs() + this.house.limits.idleTimeoutMs
  }

  #close(): void {
    if (this.#isClosing || this.#isClosed) return
    this.#isClosing = true
    this.#flush()
    this.#socket.resume()
    this.#socket.end()
    this.#deadlineMs = this.house.clock.monotonicMs() + lingerMs
  }

  /* ---------------------------------------------------------------- commands */

  async #run(): Promise<void> {
    this.#isRunning = true
    try {
      for (;;) {
        if (this.#isClosing || this.#isClosed) return
        const line = this.#lines.next()
        if (line === null) break
        this.#deadlineMs = Infinity
        const answer = line === 'too-long' ? answers.lineTooLong : await this.#execute(line)
        await this.#write(answer)
        if (this.#isClosed) return
        this.#clientsTurn()
      }
      this.#flush()
      if (this.#socket.isPaused()) this.#socket.resume()
      if (this.#hasEnded) this.#close()
    } catch (error) {
      // In the middle of an answer there is nothing left to say.
      this.#unexpected(error)
      this.destroy()
    } finally {
      this.#isRunning = false
    }
  }

  async #execute(line: Buffer): Promise<Answer> {
    const text = line.toString('utf8')
    const space = text.indexOf(' ')
    const name = (space < 0 ? text : text.slice(0, space)).toUpperCase()
    const command = commands.get(name)
    if (!command) return answers.unknownCommand
    if (!command.states.includes(this.session.state)) return answers.wrongState
    const run = command.prepare(space < 0 ? '' : text.slice(space + 1))
    if (!run) return answers.syntax
    try {
      return await run(this)
    } catch (error) {
      const { answer, isKnown } = answerForError(error)
      if (!isKnown) this.#unexpected(error)
      return answer
    }
  }

  async challenge(text: string): Promise<string | null> {
    this.#put(`+ ${text}\r\n`)
    this.#flush()
    this.#clientsTurn()
    return new Promise((resolve) => {
      this.#challenged = (line) => {
        this.#challenged = null
        this.#deadlineMs = Infinity
        resolve(line)
      }
      if (this.#isClosed || this.#hasEnded) this.#challenged(null)
      else this.#answerChallenge()
    })
  }

  #answerChallenge(): void {
    if (!this.#challenged) return
    const line = this.#lines.next()
    if (line === 'too-long') this.#challenged('*')
    else if (line !== null) this.#challenged(line.toString('latin1'))
  }

  saslFacts(): SaslFacts {
    const { house, remoteAddress } = this
    const { clientAuthorities: authorities } = house.security()
    return saslFactsOf({
      remoteAddress,
      protocol: 'pop3',
      stream: this.#socket,
      authorities,
      nowMs: house.clock.nowMs(),
    })
  }

  async finishLogin(outcome: SaslOutcome): Promise<Answer> {
    const { maildrops } = this.house
    if (outcome.kind === 'elsewhere') {
      const utf8 = this.session.state === 'authorization' && this.session.utf8
      return goElsewhere(this, outcome, this.#socket, { utf8, language: this.language })
    }
    if (outcome.kind !== 'ok') {
      const isGuess = outcome.kind === 'refused' || outcome.kind === 'throttled'
      if (isGuess && ++this.#authFailures >= this.house.limits.authFailuresMax) return answers.tooManyAuthFailures
      return answerForLogin(outcome)
    }
    const maildrop = await maildrops.open(outcome.account.id)
    if (!maildrop) return answers.inUse
    if (this.#isClosed || this.session.state !== 'authorization') {
      await maildrop.close()
      return answers.wrongState
    }
    return ok(this.#open(maildrop, outcome.account.address, this.session.utf8))
  }

  #open(maildrop: Maildrop, address: string, utf8: boolean): string {
    this.accountAddress = address
    this.session = { state: 'transaction', maildrop, utf8 }
    return `${maildrop.count} messages (${maildrop.octets} octets)`
  }

  #handOver(home: PeerStream): void {
    this.#flush()
    const socket = this.#socket
    for (const event of ['data', 'end', 'drain']) socket.removeAllListeners(event)
    this.#isClosed = true
    this.session = { state: 'update' }
    this.#ends.onClosed()
    this.#ends.onCarried(carryAway(this.house, socket, home, this.#lines.takeAll()))
  }

  #unexpected(error: unknown): void {
    this.house.logger.error({ remoteAddress: this.remoteAddress, error }, 'POP3: unexpected error')
  }

  /* ---------------------------------------------------------------- answers */

  async #write(answer: Answer): Promise<void> {
    switch (answer.kind) {
      case 'ok':
        this.#putOk(answer.text)
        if (answer.thenClose) this.#close()
        break
      case 'error':
        this.#writeError(answer)
        break
      case 'lines':
        this.#putOk(answer.text)
        await this.#writeLines(answer.lines)
        break
      case 'message':
        await this.#writeMessage(answer.text, answer.bytes)
        break
      case 'carried':
        this.#handOver(answer.home)
        return
      case 'start-tls':
        // RFC 2595 §2.4, RFC 3207 §6: what came along in clear text must not be run inside TLS.
        if (this.#lines.waiting > 0) return this.sendAway(answers.plaintextAfterStls)
        this.#putOk(answer.text)
        this.#flush()
        // RFC 2595 §4: what was learnt in clear text is forgotten.
        this.session = { state: 'authorization', user: null, utf8: false }
        this.language = 'en'
        this.#startTls(() => {})
        break
    }
    if (this.#outBytes > gatheredBytesMax) await this.#drain()
  }

  #writeError(answer: ErrorAnswer): void {
    if (answer.isBad && ++this.#badCommands > this.house.limits.badCommandsMax) {
      return this.sendAway(answers.tooManyBadCommands)
    }
    if (answer === answers.tooManyAuthFailures || this.session.state === 'update') return this.sendAway(answer)
    this.#put(formatError(answer, this.language))
  }

  async #writeLines(lines: Iterable<string>): Promise<void> {
    let text = ''
    for (const line of lines) {
      text += line.startsWith('.') ? `.${line}\r\n` : `${line}\r\n`
      if (text.length < gatheredBytesMax) continue
      this.#put(text)
      text = ''
      await this.#drain()
      if (this.#isClosed) return
    }
    this.#put(`${text}.\r\n`)
  }

  async #writeMessage(text: string, bytes: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    const writer = new MessageWriter()
    this.#putOk(text)
    if (bytes instanceof Uint8Array) {
      this.#putPieces(writer, bytes)
    } else {
      for await (const chunk of bytes) {
        this.#putPieces(writer, chunk)
        if (this.#outBytes > gatheredBytesMax) await this.#drain()
        if (this.#isClosed) return
      }
    }
    this.#put(writer.end())
  }

  #putPieces(writer: MessageWriter, chunk: Uint8Array): void {
    const before = this.#out.length
    writer.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength), this.#out)
    for (let at = before; at < this.#out.length; at++) this.#outBytes += this.#out[at]?.length ?? 0
  }

  #putOk(text: string): void {
    this.#put(`+OK ${inLanguage(text, this.language)}\r\n`)
  }

  #put(data: Buffer | string): void {
    this.#out.push(data)
    this.#outBytes += data.length
  }

  #flush(): void {
    const out = this.#out
    if (out.length === 0) return
    this.#out = []
    this.#outBytes = 0
    const socket = this.#socket
    if (socket.destroyed || !socket.writable) return
    // Few small pieces are cheaper copied into one; what is large goes as it is, in one system call all the same.
    const pieces = joinSmall(out)
    const [first] = pieces
    if (pieces.length === 1 && first !== undefined) return void socket.write(first)
    socket.cork()
    for (const data of pieces) socket.write(data)
    socket.uncork()
  }

  /** Resolves when the client has read enough of what was written. */
  async #drain(): Promise<void> {
    this.#flush()
    if (!this.#socket.writableNeedDrain || this.#isClosed) return
    this.#deadlineMs = this.house.clock.monotonicMs() + this.house.limits.writeTimeoutMs
    await new Promise<void>((resolve) => {
      this.#wakeWriter = resolve
    })
    this.#wakeWriter = null
    this.#deadlineMs = Infinity
  }
}

/** Pieces up to this size are copied together: one copy costs less than a write of many parts. */
const joinedPieceBytesMax = 32 * 1024

/** The same bytes in few pieces: what is large stays as it is, what lies between is joined. */
function joinSmall(pieces: readonly (Buffer | string)[]): Buffer[] {
  const joined: Buffer[] = []
  let small: Buffer[] = []
  const close = () => {
    if (small.length > 0) joined.push(small.length === 1 ? (small[0] as Buffer) : Buffer.concat(small))
    small = []
  }
  for (const piece of pieces) {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
    if (bytes.length > joinedPieceBytesMax) {
      close()
      joined.push(bytes)
    } else small.push(bytes)
  }
  close()
  return joined
}

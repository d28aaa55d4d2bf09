// One client's connection: smtp-server's SMTPConnection with our own reader, transaction, replies and deadlines.
// The library keeps what it is good at: the socket's life, the TLS upgrade, the AUTH dialogue, the order of commands.
import { type SaslFacts, decodeInitialResponse, saslFactsOf, saslMechanismsOffered, startSasl } from '@skein/accounts'
import { isLoopback } from '@skein/runtime'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { IntakeSource } from '@skein/delivery'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { type AuthConnection, AuthDialogue } from './auth-dialogue.ts'
import { type BdatCommand, ChunkedLetter, UnwantedChunk, parseBdat } from './chunked-letter.ts'
import { extensionsOffered } from './extensions.ts'
import { SessionDoor } from './door.ts'
import { LetterReceiver } from './letter-receiver.ts'
import type { SmtpHouse } from './house.ts'
import { type Reply, replies, replyForError } from './replies.ts'
import type { SmtpListener } from './listener.ts'
import { type Transaction, type TransactionRules, addRecipient, openTransaction } from './transaction.ts'
import {
  type ProxiedClient,
  parseProxiedAttributes,
  xclientAttributes,
  xforwardAttributes,
} from './wire/proxied-attributes.ts'
import { type DataSink, SessionReader } from './wire/session-reader.ts'

export interface SignedIn {
  account: { id: string; address: string }
  username: string
}

/** Commands that exist in mail's standards and not here: 502, where others get 500 (RFC 5321 §4.2.4). */
const notImplemented = new Set(['HELP', 'EXPN', 'ETRN', 'TURN', 'ATRN', 'SEND', 'SOML', 'SAML', 'BURL'])
const countsAsBad = new Set([500, 501, 502, 503, 504, 555])
const startsWithStatus = /^[245]\.\d{1,3}\.\d{1,3} /
// oxlint-disable-next-line no-control-regex
const controls = /[\x00-\x1f\x7f-\x9f]/g
const helloName = /^[!-~\u0080-\uffff]+$/
const repliesGatheredMax = 16 * 1024

export class SmtpSession extends SMTPConnection {
  readonly #listener: SmtpListener
  readonly #house: SmtpHouse
  /** During a TLS handshake the TLS socket: destroying the one below it would bring the process down. */
  #topSocket: Socket
  #replies = ''
  readonly #rules: TransactionRules
  #door: SessionDoor
  #transaction: Transaction | null = null
  #receiver: LetterReceiver | null = null
  /** The letter of `#receiver` comes by BDAT, and its last chunk has not. */
  #chunked: ChunkedLetter | null = null
  #chunkBytesDrained = 0
  /** What a trusted proxy says of its client: by XCLIENT for the session, by XFORWARD for one letter. */
  #proxied: ProxiedClient = {}
  #forwarded: ProxiedClient = {}
  #source: IntakeSource | null = null
  #badCommands = 0
  #authFailures = 0
  /** When the client must have sent something; Infinity while it waits for us. */
  #deadlineMs: number
  #dataDeadlineMs = Infinity

  constructor(listener: SmtpListener, socket: Socket | TLSSocket, options?: SMTPConnectionOptions | null) {
    super(listener, socket, options)
    this.#listener = listener
    this.#house = listener.house
    this.#topSocket = socket
    this.#rules = {
      intake: listener.house.intake,
      limits: listener.house.limits,
      facts: () => ({
        role: listener.role,
        limits: listener.house.limits,
        isSecure: this.secure,
        mayHurry: () => this.#mayHurry,
        solicitationsRefused: listener.house.solicitationsRefused,
        nowMs: listener.house.clock.nowMs(),
      }),
      source: () => this.#currentSource(),
      unexpected: (error) => this.#unexpected(error),
    }
    this.#door = this.#doorOf(this.remoteAddress)
    this.#deadlineMs = this.#house.clock.monotonicMs() + this.#house.limits.commandTimeoutMs
    this._maxAllowedUnauthenticatedCommands = this.#house.limits.unauthenticatedCommandsMax
  }

  /* ---------------------------------------------------------------- life */

  /** Greets at once, except strangers on the MX port, who first have to keep quiet for a moment. */
  override init(): void {
    this._setListeners(() => {
      this.#greet(() => {
        if (!this.#listener.pausesFor(this.remoteAddress)) return this.connectionReady()
        this.#house.clock.setTimer(this.#house.limits.greetingPauseMs, () => {
          if (!this._closing && !this._closed) this.connectionReady()
        })
      })
    })
  }

  #doorOf(remoteAddress: string): SessionDoor {
    return new SessionDoor(this.#house.doorkeeper, this.#listener.role, remoteAddress)
  }

  /** A greeting with another code than 220 is the end (RFC 5321 §3.1). */
  #greet(welcome: () => void): void {
    this.#door.greet((refusal) => {
      if (this._closing || this._closed) return
      if (!refusal) return welcome()
      this.#say(refusal)
      this.close()
    })
  }

  /** Deadlines are kept here and looked at by `checkDeadline`, cheaper than a timer for each read. */
  override _armTimeout(socket: Socket = this._socket): void {
    this.#topSocket = socket
    if (socket === this._socket) return
    // A client that ends its side in the middle of the handshake has no more to hear.
    socket.once('end', () => {
      if (this._upgrading) socket.destroy()
    })
  }

  checkDeadline(nowMs: number): void {
    if (this._closing || this._closed) return
    if (nowMs < this.#deadlineMs && nowMs < this.#dataDeadlineMs) return
    // Who does not read the replies that are there would not read one more.
    if (this._socket.writableNeedDrain) return this.destroy()
    const receiver = this.#receiver
    if (!receiver) return this.#say(replies.commandTimeout)
    // What was refused while it streamed is answered so: the client must not try the same again.
    this.#say(receiver.refused ?? replies.dataTimeout)
    this.close()
  }

  /** True where the client is in no transaction, so that it may be sent away without harm. */
  get isIdle(): boolean {
    return !this.#receiver && !this._handlerPending
  }

  /** For a server that closes. */
  sendAway(): void {
    if (!this._closing) this.#say(replies.shuttingDown)
  }

  destroy(): void {
    this.#topSocket.destroy()
  }

  override close(): void {
    this.#flush()
    if (this._upgrading) this.destroy()
    else super.close()
  }

  override _onClose(): void {
    const receiver = this.#receiver
    this.#receiver = null
    receiver?.abandon()
    this.#door.leave()
    super._onClose()
  }

  override _createParser(): SessionReader {
    // Called by the library's constructor too, before our own fields exist: only the listener is there then.
    const { limits, bareLineEnds } = (this._server as SmtpListener).house
    return new SessionReader(
      {
        commandLineBytesMax: limits.commandLineBytesMax,
        commandsPerTurnMax: limits.commandsPerTurnMax,
        bareLineEnds,
      },
      {
        command: (line, resume) => this._onCommand(line, resume),
        badLine: (fault, resume) => {
          if (!this._ready) return this.close()
          this._nextHandler = false
          if (fault === 'bad-chunk') return this.#closeSaying(replies.chunkSyntax)
          this.#say(fault === 'line-too-long' ? replies.lineTooLong : replies.bareLineEnd)
          this._whenWritable(resume)
        },
        pause: () => this.#flush(),
        end: () => this.close(),
      },
    )
  }

  override upgrade(callback: () => void, secureCallback?: () => void): void {
    this.#flush()
    this.#source = null
    this.#deadlineMs = this.#house.clock.monotonicMs() + this.#house.limits.tlsHandshakeTimeoutMs
    const raw = this._socket
    super.upgrade(callback, () => {
      this.#clientsTurn()
      secureCallback?.()
    })
    this.#listener.countOutWhenClosed(raw)
  }

  #clientsTurn(): void {
    this.#deadlineMs = this.#house.clock.monotonicMs() + this.#house.limits.commandTimeoutMs
  }

  /* ---------------------------------------------------------------- replies */

  #say(reply: Reply): void {
    this.send(
      reply.code,
      reply.status === '' ? reply.text : `${reply.status} ${reply.text}`,
      reply.status === '' ? false : '',
    )
  }

  /** A status code at the head of the text is kept; otherwise the library's table gives one. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    if (countsAsBad.has(code) && ++this.#badCommands > this.#house.limits.badCommandsMax) {
      return this.#say(replies.tooManyBadCommands)
    }
    const lines = Array.isArray(data) ? data : [data ?? '']
    const last = lines.length - 1
    lines.forEach((line, i) => {
      const status = startsWithStatus.test(line) ? '' : this._getEnhancedStatusCode(code, context)
      const text = line.replace(controls, ' ')
      this.#replies += `${code}${i < last ? '-' : ' '}${status === '' ? '' : `${status} `}${text}\r\n`
    })
    const reader = this._parser
    const isGathering = reader instanceof SessionReader && reader.isRunning
    if (!isGathering || this.#replies.length > repliesGatheredMax) this.#flush()
    if (code === 421) this.close()
  }

  /** RFC 2920 §3.2: replies to a batch of commands go out together, at the latest when its last command is done. */
  #flush(): void {
    if (this.#replies === '') return
    const text = this.#replies
    this.#replies = ''
    // During the TLS handshake the socket is still the one below it: nothing may be written there.
    if (!this._upgrading && !this._socket.destroyed && this._socket.writable) this._socket.write(text, 'utf8')
  }

  override _whenWritable(next: () => void): void {
    this.#clientsTurn()
    super._whenWritable(next)
  }

  override _onCommand(command: Buffer, callback?: () => void): void {
    this.#deadlineMs = Infinity
    this._unrecognizedCommands = 0
    super._onCommand(command, callback)
  }

  #closeSaying(reply: Reply): void {
    this.#say(reply)
    this.close()
  }

  override _getHandler(command: string): ReturnType<SMTPConnection['_getHandler']> {
    if (notImplemented.has(command) || (command === 'AUTH' && !this.#listener.offersAuth)) {
      return (_command, callback) => {
        this.#say(replies.notImplemented)
        callback()
      }
    }
    return super._getHandler(command)
  }

  /* ---------------------------------------------------------------- commands */

  override handler_EHLO(command: Buffer, callback: () => void): void {
    if (!this.#hello(command)) return callback()
    const { limits, hostName, clock, solicitationsRefused } = this.#house
    const mayLogIn = this.#listener.offersAuth && !this.session.user && this.#mayAuthenticate
    const features = extensionsOffered({
      role: this.#listener.role,
      limits,
      isSecure: this.secure,
      auth: mayLogIn ? saslMechanismsOffered(this.#house.authenticator, this.#saslFacts()) : [],
      solicitationsRefused,
      mayXclient: this.#house.mayXclient(this._originalRemoteAddress),
      mayXforward: this.#house.mayXforward(this._originalRemoteAddress),
      nowMs: clock.nowMs(),
    })
    this.send(250, [`${hostName} greets [${this.remoteAddress}]`, ...features], false)
    callback()
  }

  override handler_HELO(command: Buffer, callback: () => void): void {
    if (this.#hello(command)) this.send(250, `${this.#house.hostName} greets [${this.remoteAddress}]`, false)
    callback()
  }

  #hello(command: Buffer): boolean {
    const name = command.toString().trim().split(/ +/)
    const host = name[1] ?? ''
    if (name.length !== 2 || host.length > this.#house.limits.heloBytesMax || !helloName.test(host)) {
      this.#say(replies.helloSyntax)
      return false
    }
    this.hostNameAppearsAs = host
    this.#door.hello(host)
    this.#source = null
    this._resetSession()
    return true
  }

  /** RFC 5321 §4.1.4: EHLO and RSET, like TLS, end a transaction that is open. */
  override _resetSession(): void {
    this.#transaction = null
    this.#forwarded = {}
    if (this.#chunked) this.#forgetChunks()?.abandon()
    super._resetSession()
  }

  override handler_STARTTLS(command: Buffer, callback: () => void): void {
    const reader = this._parser
    // RFC 3207 §6: what came along in clear text might be an attacker's, meant to be run inside TLS.
    if (!this.secure && ((reader instanceof SessionReader && reader.hasMore) || this._socket.readableLength > 0)) {
      this.#say(replies.plaintextAfterStarttls)
      return callback()
    }
    super.handler_STARTTLS(command, callback)
  }

  /** RFC 5321 §3.5.3: what can't be verified is not denied. */
  override handler_VRFY(command: Buffer, callback: () => void): void {
    this.#say(/^VRFY +\S/i.test(command.toString()) ? replies.notVerified : replies.parameterSyntax)
    callback()
  }

  get #mayAuthenticate(): boolean {
    return this.secure || isLoopback(this.remoteAddress)
  }

  #saslFacts(): SaslFacts {
    const { remoteAddress, _socket: stream } = this
    const { clock, clientAuthorities, channelBinding } = this.#house
    const authorities = clientAuthorities()
    const facts = saslFactsOf({ remoteAddress, protocol: 'submission', stream, authorities, nowMs: clock.nowMs() })
    return channelBinding ? facts : { ...facts, channelBindings: undefined }
  }

  override handler_AUTH(command: Buffer, callback: () => void): void {
    const [, mechanism = '', initial, more] = command.toString().trim().split(/ +/)
    const response = initial === undefined ? undefined : decodeInitialResponse(initial)
    let refusal: Reply | null = null
    if (!this.#mayAuthenticate) refusal = replies.authNeedsTls
    else if (this.#transaction) refusal = replies.inTransaction
    else if (this.session.user) refusal = replies.authTwice
    else if (mechanism === '' || more !== undefined) refusal = replies.authSyntax
    const exchange = startSasl(this.#house.authenticator, this.#saslFacts(), mechanism, response)
    if (!refusal && !exchange) refusal = replies.authMechanismUnknown
    if (!refusal && initial !== undefined && !response) refusal = replies.authBase64
    if (refusal || !exchange) {
      this.#say(refusal ?? replies.authMechanismUnknown)
      return callback()
    }
    void new AuthDialogue(this.#authConnection(), exchange).begin().then(callback)
  }

  #authConnection(): AuthConnection {
    return {
      challenge: (text, take) => {
        this._nextHandler = (line: Buffer | string, callback: () => void) => {
          void take(line.toString().trim()).then(callback)
        }
        // RFC 4954 §4: a space stands even before no text.
        this.send(334, text, false)
      },
      succeed: ({ id, address }) => {
        const signedIn: SignedIn = { account: { id, address }, username: address }
        this.session.user = signedIn
        this.#source = null
        this.send(235, '2.7.0 logged in')
      },
      fail: (reply) => this.#say(reply),
      authFailed: () => this.authFailed(),
      unexpected: (error) => this.#unexpected(error),
    }
  }

  /** After a wrong password. True when it was one too many, and the session is over. */
  authFailed(): boolean {
    return ++this.#authFailures >= this.#house.limits.authFailuresMax
  }

  override handler_MAIL(command: Buffer, callback: () => void): void {
    const opened = this.#transaction ? replies.nestedMail : openTransaction(command.toString(), this.#rules)
    if ('code' in opened) {
      this.#say(opened)
      return callback()
    }
    this.#door.sender(opened.from, this.#account?.id ?? null, (refusal) => {
      // The client's name in the DNS is known from here on.
      this.#source = null
      if (refusal) this.#say(refusal)
      else {
        this.#transaction = opened
        // RFC 6710 §4.1.
        const { priority = 0 } = opened.options
        this.send(250, opened.priorityChanged ? `2.3.6 ${priority} is the priority of this message` : '2.1.0 sender ok')
      }
      callback()
    })
  }

  override handler_RCPT(command: Buffer, callback: () => void): void {
    const transaction = this.#transaction
    const before = transaction?.recipients.length ?? 0
    let refusal: Reply | null = replies.inChunks
    if (!this.#chunked) {
      refusal = transaction ? addRecipient(transaction, command.toString(), this.#rules) : replies.needMail
    }
    this.#door.recipient(transaction, before, refusal, (reply) => {
      if (reply) this.#say(reply)
      else this.send(250, '2.1.5 recipient ok')
      callback()
    })
  }

  override handler_DATA(command: Buffer, callback: () => void): void {
    const transaction = this.#transaction
    const reader = this._parser
    let refusal: Reply | null = null
    if (command.length > 4 && command.toString().trim().length > 4) refusal = replies.noParameters
    else if (!transaction) refusal = replies.needMail
    else if (transaction.recipients.length === 0) refusal = replies.needRecipient
    else if (this.#chunked) refusal = replies.inChunks
    // RFC 3030 §3.
    else if (transaction.options.binary) refusal = replies.binaryNeedsBdat
    if (refusal || !transaction || !(reader instanceof SessionReader)) {
      if (refusal) this.#say(refusal)
      return callback()
    }
    this.#transaction = null
    const receiver = this.#beginLetter(transaction)
    if ('code' in receiver) {
      this.#say(receiver)
      return callback()
    }
    reader.startMessage(receiver)
    this.send(354, 'end with <CR><LF>.<CR><LF>')
    callback()
    this.#dataTurn()
  }

  /** After a command's callback, which gives the client the time for a command. */
  #dataTurn(): void {
    const { clock, limits } = this.#house
    this.#deadlineMs = clock.monotonicMs() + limits.dataTimeoutMs
  }

  #beginLetter(transaction: Transaction): LetterReceiver | Reply {
    const { intake, clock, limits } = this.#house
    const { from, recipients, smtpUtf8, eightBit, options, recipientOptions } = transaction
    try {
      const source = this.#currentSource()
      const writer = intake.begin({
        // RFC 6531 §4.3 names the protocol of a letter that used SMTPUTF8.
        source: smtpUtf8 ? { ...source, protocol: this.#protocol('UTF8') } : source,
        from,
        recipients,
        smtpUtf8,
        eightBit,
        receivedMs: clock.nowMs(),
        ...(Object.keys(options).length > 0 && { options }),
        ...(recipientOptions.some((it) => it !== undefined) && { recipientOptions }),
      })
      const answers = this.#listener.role === 'lmtp' ? recipients.length : 1
      const receiver = this.#receive(writer, answers)
      this.#receiver = receiver
      this.#dataDeadlineMs = clock.monotonicMs() + limits.dataTotalTimeoutMs
      return receiver
    } catch (error) {
      const { reply, isKnown } = replyForError(error)
      if (!isKnown) this.#unexpected(error)
      return reply
    }
  }

  /** RFC 3030 §2: the chunk's bytes follow at once, whatever the answer will be. */
  handler_BDAT(command: Buffer, callback: () => void): void {
    const reader = this._parser
    const bdat = parseBdat(command.toString())
    if (!bdat || !(reader instanceof SessionReader)) {
      this.#closeSaying(replies.chunkSyntax)
      return callback()
    }
    const sink = this.#sinkFor(bdat)
    if (bdat.bytes > 0) {
      reader.startChunk(bdat.bytes, sink)
      callback()
      return this.#dataTurn()
    }
    const ended = sink.end()
    if (ended) void ended.then(callback)
    else callback()
  }

  #sinkFor(bdat: BdatCommand): DataSink {
    const transaction = this.#transaction
    let begun: ChunkedLetter | Reply | null = this.#chunked
    if (!begun) {
      if (!transaction) begun = replies.needMail
      else if (transaction.recipients.length === 0) begun = replies.needRecipient
      else {
        const receiver = this.#beginLetter(transaction)
        const lineEnds = transaction.options.binary ? 'keep' : this.#house.bareLineEnds
        begun = 'code' in receiver ? receiver : new ChunkedLetter(receiver, lineEnds)
      }
    }
    if ('code' in begun) return this.#unwantedChunk(begun)
    this.#chunked = bdat.isLast ? null : begun
    if (bdat.isLast) this.#transaction = null
    return begun.chunk(bdat, (refused) => {
      if (refused) {
        this.#forgetChunks()?.abandon()
        this.#transaction = null
        this.#say(refused)
      } else this.send(250, `2.0.0 ${bdat.bytes} octets received`)
      this.#clientsTurn()
    })
  }

  /** The letter that came in chunks is over, or was never to be. */
  #forgetChunks(): LetterReceiver | null {
    const receiver = this.#receiver
    this.#chunked = null
    this.#receiver = null
    this.#dataDeadlineMs = Infinity
    return receiver
  }

  #unwantedChunk(refusal: Reply): DataSink {
    const answer = () => {
      this.#say(refusal)
      this.#clientsTurn()
    }
    return new UnwantedChunk(answer, (bytes) => {
      this.#dataTurn()
      this.#chunkBytesDrained += bytes
      if (this.#chunkBytesDrained <= this.#house.limits.drainBytesMax) return true
      this.#closeSaying(refusal)
      return false
    })
  }

  #receive(writer: ConstructorParameters<typeof LetterReceiver>[0], answers: number): LetterReceiver {
    const { clock, limits } = this.#house
    return new LetterReceiver(writer, limits, {
      progress: () => {
        this.#deadlineMs = clock.monotonicMs() + limits.dataTimeoutMs
      },
      complete: () => {
        this.#deadlineMs = Infinity
        this.#dataDeadlineMs = Infinity
      },
      done: (result) => {
        this.#receiver = null
        this.#forwarded = {}
        this.#dataDeadlineMs = Infinity
        this.#badCommands = 0
        this.#door.letter(result)
        this.#clientsTurn()
        // RFC 2033 §4.2: LMTP answers once for each recipient.
        for (let i = 0; i < answers; i++) {
          if ('refused' in result) this.#say(result.refused)
          else this.send(250, `2.0.0 taken, queued as ${result.queueId}`)
        }
      },
      overrun: (refused) => {
        this.#receiver = null
        this.#say(refused)
        this.close()
      },
      unexpected: (error) => this.#unexpected(error),
    })
  }

  #unexpected(error: unknown): void {
    this.#house.logger.error({ session: this.id, remoteAddress: this.remoteAddress, error }, 'SMTP: unexpected error')
  }

  /* ---------------------------------------------------------------- who is it */

  /** RFC 6710 §5.2: strangers may ask to go last, and not to go first. */
  get #mayHurry(): boolean {
    return Boolean(this.session.user) || this.#listener.role === 'lmtp' || this.#house.isTrusted(this.remoteAddress)
  }

  /** As Postfix has it: who is behind the proxy counts from now on, and greets anew. */
  override handler_XCLIENT(command: Buffer, callback: () => void): void {
    const client = parseProxiedAttributes(command.toString(), xclientAttributes)
    if (!this.#house.mayXclient(this._originalRemoteAddress)) this.#say(replies.notImplemented)
    else if (this.#transaction) this.#say(replies.inTransaction)
    else if (!client) this.#say(replies.xclientSyntax)
    else {
      this.#proxied = { ...this.#proxied, ...client }
      this.#source = null
      if (client.address !== undefined) {
        this.remoteAddress = client.address
        this.#door.leave()
        this.#door = this.#doorOf(client.address)
      }
      if (client.port !== undefined) this.remotePort = client.port
      this.hostNameAppearsAs = false
      this.session.user = undefined
      this._resetSession()
      if (client.address === undefined) this._sendGreeting()
      else this.#greet(() => this._sendGreeting())
    }
    callback()
  }

  /** What a content filter passes on of a letter's first hop: for the record of the next letter only. */
  override handler_XFORWARD(command: Buffer, callback: () => void): void {
    const client = parseProxiedAttributes(command.toString(), xforwardAttributes)
    if (!this.#house.mayXforward(this._originalRemoteAddress)) this.#say(replies.notImplemented)
    else if (this.#transaction) this.#say(replies.inTransaction)
    else if (!client) this.#say(replies.xclientSyntax)
    else {
      this.#forwarded = { ...this.#forwarded, ...client }
      this.send(250, '2.0.0 ok')
    }
    callback()
  }

  #currentSource(): IntakeSource {
    const own = this.#ownSource()
    const { address, name, helo } = this.#forwarded
    if (address === undefined && name === undefined && helo === undefined) return own
    return { ...own, remoteAddress: address ?? own.remoteAddress, remoteName: name ?? '', helo: helo ?? own.helo }
  }

  #ownSource(): IntakeSource {
    this.#source ??= {
      kind: this.#listener.offersAuth ? 'submission' : 'smtp',
      remoteAddress: this.remoteAddress,
      remoteName: this.#proxied.name ?? this.#door.remoteName,
      helo: this.hostNameAppearsAs || this.#proxied.helo || '',
      tls: this.#tlsText(),
      protocol: this.#protocol(''),
      account: this.#account,
    }
    return this.#source
  }

  get #account(): SignedIn['account'] | null {
    return (this.session.user as SignedIn | undefined)?.account ?? null
  }

  #tlsText(): string | null {
    const socket = this._socket
    if (!this.secure || !('getCipher' in socket)) return null
    return `${socket.getProtocol() ?? 'TLS'} ${socket.getCipher()?.standardName ?? ''}`.trim()
  }

  /** RFC 3848 and RFC 6531 §4.3. */
  #protocol(utf8: '' | 'UTF8'): string {
    const suffix = (this.secure ? 'S' : '') + (this.session.user ? 'A' : '')
    if (this.#listener.role === 'lmtp') return `${utf8}LMTP${suffix}`
    if (this.openingCommand === 'HELO') return 'SMTP'
    return `${utf8 === '' ? 'ESMTP' : 'UTF8SMTP'}${suffix}`
  }
}

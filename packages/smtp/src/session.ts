// One client's session: greeting, commands, log-in, letters (RFC 5321 §3). The library keeps what it is good at: the socket's life,
// the TLS upgrade, the order of commands. `session-connection.ts` is below it, one letter is `letter-exchange.ts`.
import { type SaslFacts, saslFactsOf, saslMechanismsOffered } from '@skein/accounts'
import { isLoopback } from '@skein/runtime'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { SMTPConnection, SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { type AuthConnection, AuthDialogue, openAuth } from './auth-dialogue.ts'
import { parseBdat } from './chunked-letter.ts'
import { SessionDoor } from './door.ts'
import { extensionsOffered } from './extensions.ts'
import { LetterExchange } from './letter-exchange.ts'
import type { SmtpListener } from './listener.ts'
import { type Reply, replies } from './replies.ts'
import { SessionConnection } from './session-connection.ts'
import { SessionSource } from './session-source.ts'
import { type TransactionRules, addRecipient, openTransaction } from './transaction.ts'
import {
  type ProxiedClient,
  parseProxiedAttributes,
  xclientAttributes,
  xforwardAttributes,
} from './wire/proxied-attributes.ts'
import { SessionReader } from './wire/session-reader.ts'

export interface SignedIn {
  account: { id: string; address: string }
  username: string
}

/** Commands that exist in mail's standards and not here: 502, where others get 500 (RFC 5321 §4.2.4). */
const notImplemented = new Set(['HELP', 'EXPN', 'ETRN', 'TURN', 'ATRN', 'SEND', 'SOML', 'SAML', 'BURL'])
const helloName = /^[!-~\u0080-\uffff]+$/

export class SmtpSession extends SessionConnection {
  readonly #rules: TransactionRules
  readonly #source: SessionSource
  readonly #letter: LetterExchange
  #door: SessionDoor
  #authFailures = 0

  constructor(listener: SmtpListener, socket: Socket | TLSSocket, options?: SMTPConnectionOptions | null) {
    super(listener, socket, options)
    const { intake, limits, clock } = this.house
    this.#door = this.#doorOf(this.remoteAddress)
    this.#source = this.#sourceOfLetters()
    this.#rules = {
      intake,
      limits,
      facts: () => ({
        role: listener.role,
        limits,
        isSecure: this.secure,
        mayHurry: () => this.#mayHurry,
        solicitationsRefused: this.house.solicitationsRefused,
        nowMs: clock.nowMs(),
      }),
      source: () => this.#source.current(),
      unexpected: (error) => this.#unexpected(error),
    }
    this.#letter = this.#letterExchange()
    this._maxAllowedUnauthenticatedCommands = limits.unauthenticatedCommandsMax
  }

  /* ---------------------------------------------------------------- life */

  /** Greets at once, except strangers on the MX port, who first have to keep quiet for a moment. */
  override init(): void {
    this._setListeners(() => {
      this.#greet(() => {
        if (!this.listener.pausesFor(this.remoteAddress)) return this.connectionReady()
        this.house.clock.setTimer(this.house.limits.greetingPauseMs, () => {
          if (!this._closing && !this._closed) this.connectionReady()
        })
      })
    })
  }

  #doorOf(remoteAddress: string): SessionDoor {
    return new SessionDoor(this.house.doorkeeper, this.listener.role, remoteAddress)
  }

  /** A greeting with another code than 220 is the end (RFC 5321 §3.1). */
  #greet(welcome: () => void): void {
    this.#door.greet((refusal) => {
      if (this._closing || this._closed) return
      if (!refusal) return welcome()
      this.say(refusal)
      this.close()
    })
  }

  /** True where the client is in no transaction, so that it may be sent away without harm. */
  get isIdle(): boolean {
    return !this.#letter.receiver && !this._handlerPending
  }

  protected override lateReply(): Reply {
    const { receiver } = this.#letter
    // What was refused while it streamed is answered so: the client must not try the same again.
    return receiver ? (receiver.refused ?? replies.dataTimeout) : replies.commandTimeout
  }

  override _onClose(): void {
    this.#letter.abandon()
    this.#door.leave()
    super._onClose()
  }

  override _getHandler(command: string): ReturnType<SMTPConnection['_getHandler']> {
    if (notImplemented.has(command) || (command === 'AUTH' && !this.listener.offersAuth)) {
      return (_command, callback) => {
        this.say(replies.notImplemented)
        callback()
      }
    }
    return super._getHandler(command)
  }

  override upgrade(callback: () => void, secureCallback?: () => void): void {
    this.#source.changed()
    super.upgrade(callback, secureCallback)
  }

  /* ---------------------------------------------------------------- commands */

  override handler_EHLO(command: Buffer, callback: () => void): void {
    if (!this.#hello(command)) return callback()
    const { limits, hostName, clock, solicitationsRefused } = this.house
    const mayLogIn = this.listener.offersAuth && !this.session.user && this.#mayAuthenticate
    const features = extensionsOffered({
      role: this.listener.role,
      limits,
      isSecure: this.secure,
      auth: mayLogIn ? saslMechanismsOffered(this.house.authenticator, this.#saslFacts()) : [],
      solicitationsRefused,
      mayXclient: this.house.mayXclient(this._originalRemoteAddress),
      mayXforward: this.house.mayXforward(this._originalRemoteAddress),
      nowMs: clock.nowMs(),
    })
    this.send(250, [`${hostName} greets [${this.remoteAddress}]`, ...features], false)
    callback()
  }

  override handler_HELO(command: Buffer, callback: () => void): void {
    if (this.#hello(command)) this.send(250, `${this.house.hostName} greets [${this.remoteAddress}]`, false)
    callback()
  }

  #hello(command: Buffer): boolean {
    const name = command.toString().trim().split(/ +/)
    const host = name[1] ?? ''
    if (name.length !== 2 || host.length > this.house.limits.heloBytesMax || !helloName.test(host)) {
      this.say(replies.helloSyntax)
      return false
    }
    this.hostNameAppearsAs = host
    this.#door.hello(host)
    this.#source.changed()
    this._resetSession()
    return true
  }

  /** RFC 5321 §4.1.4: EHLO and RSET, like TLS, end a transaction that is open. */
  override _resetSession(): void {
    this.#letter.reset()
    this.#source.letterIsOver()
    super._resetSession()
  }

  override handler_STARTTLS(command: Buffer, callback: () => void): void {
    const reader = this._parser
    // RFC 3207 §6: what came along in clear text might be an attacker's, meant to be run inside TLS.
    if (!this.secure && ((reader instanceof SessionReader && reader.hasMore) || this._socket.readableLength > 0)) {
      this.say(replies.plaintextAfterStarttls)
      return callback()
    }
    super.handler_STARTTLS(command, callback)
  }

  /** RFC 5321 §3.5.3: what can't be verified is not denied. */
  override handler_VRFY(command: Buffer, callback: () => void): void {
    this.say(/^VRFY +\S/i.test(command.toString()) ? replies.notVerified : replies.parameterSyntax)
    callback()
  }

  get #mayAuthenticate(): boolean {
    return this.secure || isLoopback(this.remoteAddress)
  }

  #saslFacts(): SaslFacts {
    const { remoteAddress, _socket: stream } = this
    const { clock, clientAuthorities, channelBinding } = this.house
    const authorities = clientAuthorities()
    const facts = saslFactsOf({ remoteAddress, protocol: 'submission', stream, authorities, nowMs: clock.nowMs() })
    return channelBinding ? facts : { ...facts, channelBindings: undefined }
  }

  override handler_AUTH(command: Buffer, callback: () => void): void {
    const exchange = openAuth(command.toString(), {
      authenticator: this.house.authenticator,
      facts: this.#saslFacts(),
      mayAuthenticate: this.#mayAuthenticate,
      isLoggedIn: Boolean(this.session.user),
      isInTransaction: this.#letter.transaction !== null,
    })
    if ('code' in exchange) {
      this.say(exchange)
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
        this.#source.changed()
        this.send(235, '2.7.0 logged in')
      },
      fail: (reply) => this.say(reply),
      authFailed: () => this.authFailed(),
      unexpected: (error) => this.#unexpected(error),
    }
  }

  /** After a wrong password. True when it was one too many, and the session is over. */
  authFailed(): boolean {
    return ++this.#authFailures >= this.house.limits.authFailuresMax
  }

  override handler_MAIL(command: Buffer, callback: () => void): void {
    const opened = this.#letter.transaction ? replies.nestedMail : openTransaction(command.toString(), this.#rules)
    if ('code' in opened) {
      this.say(opened)
      return callback()
    }
    this.#door.sender(opened.from, this.#account?.id ?? null, (refusal) => {
      // The client's name in the DNS is known from here on.
      this.#source.changed()
      if (refusal) this.say(refusal)
      else {
        this.#letter.transaction = opened
        // RFC 6710 §4.1.
        const { priority = 0 } = opened.options
        this.send(250, opened.priorityChanged ? `2.3.6 ${priority} is the priority of this message` : '2.1.0 sender ok')
      }
      callback()
    })
  }

  override handler_RCPT(command: Buffer, callback: () => void): void {
    const { transaction, isInChunks } = this.#letter
    const before = transaction?.recipients.length ?? 0
    let refusal: Reply | null = replies.inChunks
    if (!isInChunks) {
      refusal = transaction ? addRecipient(transaction, command.toString(), this.#rules) : replies.needMail
    }
    this.#door.recipient(transaction, before, refusal, (reply) => {
      if (reply) this.say(reply)
      else this.send(250, '2.1.5 recipient ok')
      callback()
    })
  }

  override handler_DATA(command: Buffer, callback: () => void): void {
    const reader = this._parser as SessionReader
    const receiver = this.#letter.data(command.toString())
    if ('code' in receiver) {
      this.say(receiver)
      return callback()
    }
    reader.startMessage(receiver)
    this.send(354, 'end with <CR><LF>.<CR><LF>')
    callback()
    this.deadlines.dataTurn()
  }

  /** RFC 3030 §2: the chunk's bytes follow at once, whatever the answer will be. */
  handler_BDAT(command: Buffer, callback: () => void): void {
    const reader = this._parser as SessionReader
    const bdat = parseBdat(command.toString())
    if (!bdat) {
      this.closeSaying(replies.chunkSyntax)
      return callback()
    }
    const sink = this.#letter.chunk(bdat)
    if (bdat.bytes > 0) {
      reader.startChunk(bdat.bytes, sink)
      callback()
      return this.deadlines.dataTurn()
    }
    const ended = sink.end()
    if (ended) void ended.then(callback)
    else callback()
  }

  #letterExchange(): LetterExchange {
    const { role } = this.listener
    return new LetterExchange({
      house: this.house,
      role,
      deadlines: this.deadlines,
      source: (smtpUtf8) => this.#source.ofLetter(smtpUtf8),
      say: (reply) => this.say(reply),
      accept: (text) => this.send(250, text),
      closeSaying: (reply) => this.closeSaying(reply),
      letterIsOver: (result) => {
        this.#source.letterIsOver()
        this.forgiveBadCommands()
        this.#door.letter(result)
      },
      unexpected: (error) => this.#unexpected(error),
    })
  }

  #unexpected(error: unknown): void {
    this.house.logger.error({ session: this.id, remoteAddress: this.remoteAddress, error }, 'SMTP: unexpected error')
  }

  /* ---------------------------------------------------------------- who is it */

  /** RFC 6710 §5.2: strangers may ask to go last, and not to go first. */
  get #mayHurry(): boolean {
    return Boolean(this.session.user) || this.listener.role === 'lmtp' || this.house.isTrusted(this.remoteAddress)
  }

  /** As Postfix has it: who is behind the proxy counts from now on, and greets anew. */
  override handler_XCLIENT(command: Buffer, callback: () => void): void {
    const client = this.#toldOfClient(command, xclientAttributes, this.house.mayXclient)
    if (!client) return callback()
    this.#source.proxied(client)
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
    callback()
  }

  /** What a content filter passes on of a letter's first hop: for the record of the next letter only. */
  override handler_XFORWARD(command: Buffer, callback: () => void): void {
    const client = this.#toldOfClient(command, xforwardAttributes, this.house.mayXforward)
    if (client) {
      this.#source.forwarded(client)
      this.send(250, '2.0.0 ok')
    }
    callback()
  }

  /** Null where the peer may not say so, or not now: it has been told. */
  #toldOfClient(
    command: Buffer,
    attributes: readonly string[],
    mayTell: (address: string) => boolean,
  ): ProxiedClient | null {
    const client = parseProxiedAttributes(command.toString(), attributes)
    if (!mayTell(this._originalRemoteAddress)) this.say(replies.notImplemented)
    else if (this.#letter.transaction) this.say(replies.inTransaction)
    else if (client) return client
    else this.say(replies.xclientSyntax)
    return null
  }

  #sourceOfLetters(): SessionSource {
    return new SessionSource(this.listener.role, () => ({
      remoteAddress: this.remoteAddress,
      remoteName: this.#door.remoteName,
      helo: this.hostNameAppearsAs || '',
      openedByHelo: this.openingCommand === 'HELO',
      isSecure: this.secure,
      socket: this._socket,
      account: this.#account,
    }))
  }

  get #account(): SignedIn['account'] | null {
    return (this.session.user as SignedIn | undefined)?.account ?? null
  }
}

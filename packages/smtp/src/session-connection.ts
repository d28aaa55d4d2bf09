// The connection below a session: smtp-server's SMTPConnection with our own reader, replies and deadlines, through TLS and to its end.
// Promises: replies in the order of their commands; a client that is late is told so and closed; nothing is written into a handshake.
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { GatheredReplies } from './gathered-replies.ts'
import type { SmtpHouse } from './house.ts'
import type { SmtpListener } from './listener.ts'
import { type Reply, replies } from './replies.ts'
import { SessionDeadlines } from './session-deadlines.ts'
import { SessionReader } from './wire/session-reader.ts'

const countsAsBad = new Set([500, 501, 502, 503, 504, 555])

export abstract class SessionConnection extends SMTPConnection {
  protected readonly listener: SmtpListener
  protected readonly house: SmtpHouse
  protected readonly deadlines: SessionDeadlines
  /** During a TLS handshake the TLS socket: destroying the one below it would bring the process down. */
  #topSocket: Socket
  readonly #replies = new GatheredReplies()
  #badCommands = 0

  constructor(listener: SmtpListener, socket: Socket | TLSSocket, options?: SMTPConnectionOptions | null) {
    super(listener, socket, options)
    this.listener = listener
    this.house = listener.house
    this.#topSocket = socket
    this.deadlines = new SessionDeadlines(this.house.clock, this.house.limits)
  }

  /** What a client hears whose time is over. */
  protected abstract lateReply(): Reply

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
    if (!this.deadlines.arePast(nowMs)) return
    // Who does not read the replies that are there would not read one more.
    if (this._socket.writableNeedDrain) return this.destroy()
    this.closeSaying(this.lateReply())
  }

  /** For a server that closes. */
  sendAway(): void {
    if (!this._closing) this.say(replies.shuttingDown)
  }

  destroy(): void {
    this.#topSocket.destroy()
  }

  override close(): void {
    this.#flush()
    if (this._upgrading) this.destroy()
    else super.close()
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
          if (fault === 'bad-chunk') return this.closeSaying(replies.chunkSyntax)
          this.say(fault === 'line-too-long' ? replies.lineTooLong : replies.bareLineEnd)
          this._whenWritable(resume)
        },
        pause: () => this.#flush(),
        end: () => this.close(),
      },
    )
  }

  override upgrade(callback: () => void, secureCallback?: () => void): void {
    this.#flush()
    this.deadlines.handshakeTurn()
    const raw = this._socket
    super.upgrade(callback, () => {
      this.deadlines.commandTurn()
      secureCallback?.()
    })
    this.listener.countOutWhenClosed(raw)
  }

  protected say(reply: Reply): void {
    this.send(
      reply.code,
      reply.status === '' ? reply.text : `${reply.status} ${reply.text}`,
      reply.status === '' ? false : '',
    )
  }

  /** A status code at the head of the text is kept; otherwise the library's table gives one. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    if (countsAsBad.has(code) && ++this.#badCommands > this.house.limits.badCommandsMax) {
      return this.say(replies.tooManyBadCommands)
    }
    const lines = Array.isArray(data) ? data : [data ?? '']
    this.#replies.add(code, lines, () => this._getEnhancedStatusCode(code, context))
    const reader = this._parser
    const isGathering = reader instanceof SessionReader && reader.isRunning
    if (!isGathering || this.#replies.isFull) this.#flush()
    if (code === 421) this.close()
  }

  /** RFC 2920 §3.2: replies to a batch of commands go out together, at the latest when its last command is done. */
  #flush(): void {
    const text = this.#replies.take()
    if (text === '') return
    // During the TLS handshake the socket is still the one below it: nothing may be written there.
    if (!this._upgrading && !this._socket.destroyed && this._socket.writable) this._socket.write(text, 'utf8')
  }

  override _whenWritable(next: () => void): void {
    this.deadlines.commandTurn()
    super._whenWritable(next)
  }

  override _onCommand(command: Buffer, callback?: () => void): void {
    this.deadlines.ourTurn()
    this._unrecognizedCommands = 0
    super._onCommand(command, callback)
  }

  protected closeSaying(reply: Reply): void {
    this.say(reply)
    this.close()
  }

  /** A letter was taken in or refused as a whole: whoever gets that far is no stray program. */
  protected forgiveBadCommands(): void {
    this.#badCommands = 0
  }
}

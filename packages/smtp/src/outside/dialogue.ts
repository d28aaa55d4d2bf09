// A connection to another mail server, as replies to what we say. Every wait has a name and a limit.
import { type Socket, connect, isIP } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clock } from '@skein/runtime'
import type { OutsideLimits } from '../limits.ts'
import { ReplyReader, type ServerReply } from '../wire/reply-reader.ts'
import type { MailHost } from './mail-hosts.ts'

/** The connection is of no more use. */
export class DialogueBroken extends Error {
  override readonly name = 'DialogueBroken'
}

export class Dialogue {
  readonly #clock: Clock
  readonly #limits: OutsideLimits
  #socket: Socket
  #replies: ReplyReader
  #broken: DialogueBroken | null = null
  /** Called when a reply may have come, room was made, or the connection broke. */
  #wake: () => void = () => {}

  private constructor(socket: Socket, clock: Clock, limits: OutsideLimits) {
    this.#socket = socket
    this.#clock = clock
    this.#limits = limits
    this.#replies = new ReplyReader(limits)
    this.#listen()
  }

  /** @throws DialogueBroken */
  static async open(
    host: MailHost,
    { clock, limits, localAddress }: { clock: Clock; limits: OutsideLimits; localAddress: string | undefined },
    signal: AbortSignal,
  ): Promise<Dialogue> {
    const socket = connect({
      host: host.address,
      port: host.port,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
    })
    const dialogue = new Dialogue(socket, clock, limits)
    const stop = dialogue.breakOn(signal)
    try {
      await dialogue.#wait(`no connection in ${limits.connectTimeoutMs} ms`, limits.connectTimeoutMs, () =>
        dialogue.#broken || socket.connecting ? null : true,
      )
      return dialogue
    } finally {
      stop()
    }
  }

  get isBroken(): boolean {
    return this.#broken !== null
  }

  get brokenBy(): string {
    return this.#broken?.message ?? 'the connection broke'
  }

  /** Ends everything when `signal` is aborted. Returns the way to stop that. */
  breakOn(signal: AbortSignal): () => void {
    const onAbort = () => this.#break('the attempt was broken off')
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    return () => signal.removeEventListener('abort', onAbort)
  }

  #listen(): void {
    const socket = this.#socket
    socket.on('connect', () => this.#wake())
    socket.on('drain', () => this.#wake())
    socket.on('data', (chunk: Buffer) => {
      this.#replies.push(chunk)
      this.#wake()
    })
    socket.on('error', (error) => this.#break(error.message))
    socket.on('end', () => this.#break('the other side ended the connection'))
    socket.on('close', () => this.#break('the connection was closed'))
  }

  #break(text: string): void {
    this.#broken ??= new DialogueBroken(text)
    this.#socket.destroy()
    this.#wake()
  }

  async #wait<Result>(timeoutText: string, timeoutMs: number, look: () => Result | null): Promise<Result> {
    const timer = this.#clock.setTimer(timeoutMs, () => this.#break(timeoutText))
    try {
      for (;;) {
        // What came before the break is still good.
        const result = look()
        if (result !== null) return result
        if (this.#broken) throw this.#broken
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      timer.cancel()
    }
  }

  /** The next reply. @throws DialogueBroken */
  async reply(waitingFor: string, timeoutMs: number): Promise<ServerReply> {
    const text = `no reply to ${waitingFor} in ${timeoutMs} ms`
    const reply = await this.#wait(text, timeoutMs, () => this.#replies.next())
    if (reply !== 'malformed') return reply
    this.#break(`the reply to ${waitingFor} is no SMTP`)
    throw this.#broken ?? new DialogueBroken('no SMTP')
  }

  /** @throws DialogueBroken */
  async say(line: string, timeoutMs: number): Promise<ServerReply> {
    this.write(`${line}\r\n`)
    return this.reply(line.split(' ', 1)[0] ?? line, timeoutMs)
  }

  write(data: string | Buffer): void {
    if (!this.#broken) this.#socket.write(data)
  }

  /** Resolves when the other side has taken enough. @throws DialogueBroken */
  async writeAll(pieces: readonly Buffer[]): Promise<void> {
    this.#socket.cork()
    for (const piece of pieces) this.write(piece)
    this.#socket.uncork()
    const { dataBlockTimeoutMs } = this.#limits
    await this.#wait(`a piece of the message was not taken in ${dataBlockTimeoutMs} ms`, dataBlockTimeoutMs, () =>
      this.#broken || this.#socket.writableNeedDrain ? null : true,
    )
  }

  /** Encrypts without asking who is there: better than clear text, and all that an MX host promises. @throws DialogueBroken */
  async startTls(hostName: string): Promise<void> {
    // RFC 3207 §6: what came before the handshake is not the server's word inside it.
    if (this.#replies.hasMore) this.#break('something followed the reply to STARTTLS')
    if (this.#broken) throw this.#broken
    for (const event of ['connect', 'drain', 'data', 'error', 'end', 'close']) this.#socket.removeAllListeners(event)
    this.#socket.on('error', () => {})
    const secure = connectTls({
      socket: this.#socket,
      rejectUnauthorized: false,
      ...(isIP(hostName) === 0 ? { servername: hostName } : {}),
    })
    this.#socket = secure
    this.#replies = new ReplyReader(this.#limits)
    this.#listen()
    let isSecure = false
    secure.once('secureConnect', () => {
      isSecure = true
      this.#wake()
    })
    const { tlsHandshakeTimeoutMs } = this.#limits
    await this.#wait(`no TLS handshake in ${tlsHandshakeTimeoutMs} ms`, tlsHandshakeTimeoutMs, () => isSecure || null)
  }

  /** Says QUIT and does not wait for long. */
  quit(): void {
    if (this.#broken) return
    this.write('QUIT\r\n')
    this.#socket.end()
    const timer = this.#clock.setTimer(this.#limits.quitTimeoutMs, () => this.#break('closed'))
    this.#socket.once('close', () => timer.cancel())
  }

  destroy(): void {
    this.#break('the connection was given up')
  }
}

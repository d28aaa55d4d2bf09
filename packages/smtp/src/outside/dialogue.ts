// A connection to another mail server, as replies to what we say. Every wait has a name and a limit.
import type { X509Certificate } from 'node:crypto'
import { type Socket, isIP } from 'node:net'
import { type SecureContext, type TLSSocket, connect as connectTls } from 'node:tls'
import { type Clock, plainAddress } from '@skein/runtime'
import type { OutsideLimits } from '../limits.ts'
import { ReplyReader, type ServerReply } from '../wire/reply-reader.ts'
import type { PeerCertificates } from './tls-terms.ts'

/** Certificates that a server sent, of which we keep so many. */
const certificatesMax = 10

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
  readonly #localAddress: string
  /** Called when a reply may have come, room was made, or the connection broke. */
  #wake: () => void = () => {}

  private constructor(socket: Socket, clock: Clock, limits: OutsideLimits) {
    this.#socket = socket
    this.#clock = clock
    this.#limits = limits
    this.#localAddress = plainAddress(socket.localAddress ?? '')
    this.#replies = new ReplyReader(limits)
    this.#listen()
  }

  /** Over a socket that is connected. */
  static over(socket: Socket, { clock, limits }: { clock: Clock; limits: OutsideLimits }): Dialogue {
    return new Dialogue(socket, clock, limits)
  }

  /** Address of this node on this connection. */
  get localAddress(): string {
    return this.#localAddress
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
    // The replies to a batch of commands come together: most are there before anybody waits for them.
    const present = look()
    if (present !== null) return present
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

  /** In one write to the socket. */
  writePieces(pieces: readonly Buffer[]): void {
    this.#socket.cork()
    for (const piece of pieces) this.write(piece)
    this.#socket.uncork()
  }

  /** Resolves when the other side has taken enough. @throws DialogueBroken */
  async writeAll(pieces: readonly Buffer[]): Promise<void> {
    this.writePieces(pieces)
    const { dataBlockTimeoutMs } = this.#limits
    await this.#wait(`a piece of the message was not taken in ${dataBlockTimeoutMs} ms`, dataBlockTimeoutMs, () =>
      this.#broken || this.#socket.writableNeedDrain ? null : true,
    )
  }

  /**
   * Encrypts, and tells who is there; whether that is right is for the caller to say.
   * @throws DialogueBroken
   */
  async startTls(serverName: string, secureContext: SecureContext | undefined): Promise<PeerCertificates> {
    // RFC 3207 §6: what came before the handshake is not the server's word inside it.
    if (this.#replies.hasMore) this.#break('something followed the reply to STARTTLS')
    if (this.#broken) throw this.#broken
    for (const event of ['drain', 'data', 'error', 'end', 'close']) this.#socket.removeAllListeners(event)
    this.#socket.on('error', () => {})
    const secure = connectTls({
      socket: this.#socket,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
      ...(secureContext ? { secureContext } : {}),
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
    return { chain: certificatesOf(secure), trustError: secure.authorized ? null : trustErrorOf(secure) }
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

function certificatesOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = []
  for (
    let certificate = socket.getPeerX509Certificate();
    certificate && chain.length < certificatesMax;
    certificate = certificate.issuerCertificate
  ) {
    chain.push(certificate)
  }
  return chain
}

/** Node tells a code, whatever the type says. */
function trustErrorOf({ authorizationError }: TLSSocket): string {
  const error: unknown = authorizationError
  if (typeof error === 'string') return error
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : 'not trusted'
}

// A socket read line by line or by exact byte counts, in plain or TLS: what the raw SMTP, IMAP and POP3 clients stand on.
import { type Socket, connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { within } from './poll.ts'

export interface ConnectOptions {
  host: string
  port: number
  tls?: boolean
  /** The address to come from. */
  from?: string
  /** For one reply. */
  timeoutMs?: number
}

const defaultTimeoutMs = 30_000

export class LineSocket {
  socket: Socket
  readonly timeoutMs: number
  private pieces: Buffer[] = []
  private length = 0
  private failure: Error | undefined
  private wake: (() => void) | undefined

  private constructor(socket: Socket, timeoutMs: number) {
    this.socket = socket
    this.timeoutMs = timeoutMs
    this.attach()
  }

  static async connect(options: ConnectOptions): Promise<LineSocket> {
    const { host, port } = options
    const localAddress = options.from === undefined ? {} : { localAddress: options.from }
    const socket: Socket = options.tls
      ? connectTls({ host, port, ...localAddress, rejectUnauthorized: false, servername: 'localhost' })
      : connectTcp({ host, port, ...localAddress })
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
    const opened = new Promise<void>((resolve, reject) => {
      socket.once(options.tls ? 'secureConnect' : 'connect', () => resolve())
      socket.once('error', reject)
    })
    await within(opened, timeoutMs, `connection to ${host}:${port}`)
    socket.setNoDelay(true)
    return new LineSocket(socket, timeoutMs)
  }

  private attach(): void {
    this.socket.on('data', (chunk: Buffer) => {
      this.pieces.push(chunk)
      this.length += chunk.length
      this.wake?.()
    })
    const fail = (error: Error) => {
      this.failure ??= error
      this.wake?.()
    }
    this.socket.on('error', fail)
    this.socket.on('end', () => fail(new Error('the server closed the connection')))
    this.socket.on('close', () => fail(new Error('the connection is closed')))
  }

  /** True once the other side has ended or broken the connection. */
  get ended(): boolean {
    return this.failure !== undefined
  }

  get buffered(): number {
    return this.length
  }

  write(data: string | Uint8Array): boolean {
    return this.socket.write(data)
  }

  /** Resolves when the kernel has taken the bytes. */
  async writeAll(data: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) =>
      this.socket.write(data, (error) => (error ? reject(error) : resolve())),
    )
  }

  private async more(deadline: number, what: string): Promise<void> {
    if (this.failure) throw this.failure
    const left = Math.max(1, deadline - performance.now())
    await within(
      new Promise<void>((resolve) => {
        this.wake = resolve
      }),
      left,
      () => `${what}; so far: ${JSON.stringify(this.peek().subarray(0, 400).toString('latin1'))}`,
    )
    this.wake = undefined
  }

  private peek(): Buffer {
    if (this.pieces.length > 1) this.pieces = [Buffer.concat(this.pieces)]
    return this.pieces[0] ?? Buffer.alloc(0)
  }

  private take(count: number): Buffer {
    const all = this.peek()
    const taken = all.subarray(0, count)
    this.pieces = count < all.length ? [all.subarray(count)] : []
    this.length -= count
    return taken
  }

  /** One line without its CRLF (or LF). */
  async line(timeoutMs = this.timeoutMs): Promise<string> {
    return (await this.lineBytes(timeoutMs)).toString('utf8')
  }

  async lineBytes(timeoutMs = this.timeoutMs): Promise<Buffer> {
    const line = await this.until('\n', timeoutMs)
    return line.subarray(0, line.at(-2) === 0x0d ? -2 : -1)
  }

  async bytes(count: number, timeoutMs = this.timeoutMs): Promise<Buffer> {
    const deadline = performance.now() + timeoutMs
    while (this.length < count) await this.more(deadline, `${count} bytes from the server (have ${this.length})`)
    return this.take(count)
  }

  /** Everything up to and including `mark`. Looks at each byte once, however they come. */
  async until(mark: string, timeoutMs = this.timeoutMs): Promise<Buffer> {
    const deadline = performance.now() + timeoutMs
    const seen: Buffer[] = []
    let tail: Buffer = Buffer.alloc(0)
    for (;;) {
      for (let piece = this.pieces.shift(); piece; piece = this.pieces.shift()) {
        const probe = tail.length > 0 ? Buffer.concat([tail, piece]) : piece
        const at = probe.indexOf(mark)
        if (at >= 0) {
          const end = at + mark.length - tail.length
          seen.push(piece.subarray(0, end))
          if (end < piece.length) this.pieces.unshift(piece.subarray(end))
          const found = seen.length === 1 ? (seen[0] as Buffer) : Buffer.concat(seen)
          this.length -= found.length
          return found
        }
        seen.push(piece)
        tail = mark.length > 1 ? probe.subarray(1 - mark.length) : tail
      }
      try {
        await this.more(deadline, `${JSON.stringify(mark)} from the server`)
      } catch (error) {
        this.pieces.unshift(...seen)
        throw error
      }
    }
  }

  /** Up to and including a line of one dot; that may be the first line. */
  async untilDot(timeoutMs = this.timeoutMs): Promise<Buffer> {
    const start = await this.bytes(3, timeoutMs)
    if (start.toString('latin1') === '.\r\n') return start
    this.pieces.unshift(start)
    this.length += start.length
    return this.until('\r\n.\r\n', timeoutMs)
  }

  /** Everything until the other side ends the connection. */
  async toTheEnd(timeoutMs = this.timeoutMs): Promise<Buffer> {
    const deadline = performance.now() + timeoutMs
    while (!this.failure) await this.more(deadline, 'end of the connection')
    return this.take(this.length)
  }

  /** Goes on in TLS on the same connection; what was read before stays readable first. */
  async startTls(): Promise<void> {
    const plain = this.socket
    plain.removeAllListeners('data')
    plain.removeAllListeners('end')
    plain.removeAllListeners('close')
    plain.removeAllListeners('error')
    const secure = connectTls({ socket: plain, rejectUnauthorized: false, servername: 'localhost' })
    this.socket = secure
    this.attach()
    const opened = new Promise<void>((resolve, reject) => {
      secure.once('secureConnect', () => resolve())
      secure.once('error', reject)
      secure.once('close', () => reject(new Error('the connection closed during the TLS handshake')))
    })
    await within(opened, this.timeoutMs, 'TLS handshake')
  }

  destroy(): void {
    this.socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy()
  }
}

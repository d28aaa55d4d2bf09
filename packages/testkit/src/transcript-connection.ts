// Connections as transcripts use them: over TCP, under TLS or made up; read line by line with a deadline.
import { createConnection } from 'node:net'
import type { Socket } from 'node:net'
import { TLSSocket, connect as connectTls } from 'node:tls'

/** One end of a connection as a transcript uses it. */
export interface TranscriptConnection {
  write(bytes: Uint8Array): void
  /** Called once: `onEnd` when the server closes or the connection breaks. */
  listen(onData: (chunk: Uint8Array) => void, onEnd: () => void): void
  close(): void
  /** Goes over to TLS. The certificate is not looked at. */
  secure?(): Promise<TranscriptConnection>
  /** Data of `tls-exporter` (RFC 9266), where there is TLS. */
  channelBinding?(): Buffer
}

export type Connect = (name: string) => Promise<TranscriptConnection> | TranscriptConnection

/** Connects to a TCP port; under TLS from the start where `implicitTls`. */
export function tcpConnect(port: number, options: { host?: string; implicitTls?: boolean } = {}): Connect {
  return async () => {
    const socket = createConnection({ port, host: options.host ?? '127.0.0.1' })
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    const plain = overSocket(socket)
    return options.implicitTls === true ? overTls(socket) : plain
  }
}

function overSocket(socket: Socket): TranscriptConnection {
  // A reset while we write is seen as the end of what can be read.
  socket.on('error', () => {})
  return {
    write: (bytes) => socket.write(bytes),
    listen: (onData, onEnd) => socket.on('data', onData).on('end', onEnd).on('close', onEnd),
    close: () => socket.destroy(),
    secure: () => overTls(socket),
    ...(socket instanceof TLSSocket
      ? { channelBinding: () => socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)) }
      : {}),
  }
}

async function overTls(socket: Socket): Promise<TranscriptConnection> {
  for (const event of ['data', 'end', 'close']) socket.removeAllListeners(event)
  const secured = connectTls({ socket, rejectUnauthorized: false })
  await new Promise((resolve, reject) => secured.once('secureConnect', resolve).once('error', reject))
  return overSocket(secured)
}

/** Reads a connection line by line, or by the byte, each with a deadline. */
export class LineReader {
  #connection: TranscriptConnection
  readonly #timeoutMs: number
  #buffered: Buffer = Buffer.alloc(0)
  #ended = false
  #wake: (() => void) | undefined

  constructor(connection: TranscriptConnection, timeoutMs: number) {
    this.#connection = connection
    this.#timeoutMs = timeoutMs
    this.#listen()
  }

  #listen(): void {
    this.#connection.listen(
      (chunk) => {
        this.#buffered = Buffer.concat([this.#buffered, chunk])
        this.#wake?.()
      },
      () => {
        this.#ended = true
        this.#wake?.()
      },
    )
  }

  /** Goes over to TLS on the same connection. */
  async secure(): Promise<void> {
    const secured = await this.#connection.secure?.()
    if (secured === undefined) throw new Error('this connection cannot go over to TLS')
    this.#connection = secured
    this.#listen()
  }

  channelBinding(): Buffer {
    return this.#connection.channelBinding?.() ?? Buffer.alloc(0)
  }

  write(bytes: Uint8Array): void {
    this.#connection.write(bytes)
  }

  close(): void {
    this.#connection.close()
  }

  /** What has come and was not asked for. */
  unread(): string {
    return this.#buffered.toString()
  }

  /** The next line without its CRLF. */
  async line(): Promise<string> {
    await this.#until(() => this.#buffered.includes('\n'), 'a line')
    const end = this.#buffered.indexOf('\n')
    const line = this.#buffered.subarray(0, end)
    this.#buffered = this.#buffered.subarray(end + 1)
    if (line[line.length - 1] !== 13)
      throw new Error(`the line does not end with CRLF: ${JSON.stringify(line.toString())}`)
    return line.subarray(0, -1).toString()
  }

  async bytes(count: number): Promise<Buffer> {
    await this.#until(() => this.#buffered.length >= count, `${count} bytes`)
    const bytes = this.#buffered.subarray(0, count)
    this.#buffered = this.#buffered.subarray(count)
    return bytes
  }

  /** Resolves when the server has closed the connection with nothing left to read. */
  async ended(): Promise<void> {
    await this.#until(() => this.#ended, 'the end of the connection')
    if (this.#buffered.length > 0) throw new Error(`before the end came ${JSON.stringify(this.unread())}`)
  }

  async #until(holds: () => boolean, what: string): Promise<void> {
    const deadline = AbortSignal.timeout(this.#timeoutMs)
    while (!holds()) {
      if (this.#ended)
        throw new Error(`${what} was wanted, but the connection ended after ${JSON.stringify(this.unread())}`)
      if (deadline.aborted)
        throw new Error(`${what} was wanted, but only ${JSON.stringify(this.unread())} came in time`)
      await new Promise<void>((resolve) => {
        const wake = () => {
          deadline.removeEventListener('abort', wake)
          this.#wake = undefined
          resolve()
        }
        this.#wake = wake
        deadline.addEventListener('abort', wake)
      })
    }
  }
}

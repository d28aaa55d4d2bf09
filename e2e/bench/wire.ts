// A connection to a mail server that only waits for ends: it counts bytes and keeps the last line, so that the server is what is measured.
import { type Socket, connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Endpoint } from './job.ts'

export interface User {
  address: string
  password: string
}

/** Enough for any last line of an answer: LOGIN tells all capabilities in one. */
const tailBytes = 4096

export class Wire {
  socket: Socket
  #tail = ''
  #bytes = 0
  #awaited: { done(tail: string): boolean; resolve(bytes: number): void; reject(error: Error): void } | undefined
  /** Called with each chunk, for those who look for lines that nobody asked for. */
  onChunk: ((chunk: Buffer) => void) | undefined
  #serial = 0

  private constructor(socket: Socket) {
    this.socket = socket
    this.#attach()
  }

  /** Resolves after the greeting. */
  static async connect(endpoint: Endpoint): Promise<Wire> {
    const socket = connectTcp(endpoint)
    socket.setNoDelay(true)
    const wire = new Wire(socket)
    await wire.#until((tail) => tail.endsWith('\r\n'))
    if (!/^(?:\* OK|\+OK)/.test(wire.#tail)) throw new Error(`greeting: ${wire.#tail}`)
    return wire
  }

  static async login(endpoint: Endpoint, user: User): Promise<Wire> {
    const wire = await Wire.connect(endpoint)
    await wire.command(`LOGIN ${user.address} ${quoted(user.password)}`)
    return wire
  }

  #attach(): void {
    this.socket.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length
      this.#tail = (this.#tail + chunk.subarray(-tailBytes).toString('latin1')).slice(-tailBytes)
      this.onChunk?.(chunk)
      const awaited = this.#awaited
      if (!awaited || !awaited.done(this.#tail)) return
      this.#awaited = undefined
      awaited.resolve(this.#bytes)
    })
    const fail = (error: Error) => {
      this.#awaited?.reject(error)
      this.#awaited = undefined
    }
    this.socket.on('error', fail)
    this.socket.on('close', () => fail(new Error(`the server closed the connection: ${this.#tail}`)))
  }

  #until(done: (tail: string) => boolean): Promise<number> {
    this.#tail = ''
    this.#bytes = 0
    return new Promise((resolve, reject) => {
      this.#awaited = { done, resolve, reject }
    })
  }

  /** Sends an IMAP command and resolves with the bytes of its answer. @throws where it isn't OK */
  async command(...parts: (string | Buffer)[]): Promise<number> {
    const tag = `t${this.#serial++}`
    const answered = this.#until((tail) => lastLine(tail).startsWith(`${tag} `))
    this.socket.cork()
    this.socket.write(`${tag} `)
    for (const part of parts) this.socket.write(part)
    this.socket.write('\r\n')
    this.socket.uncork()
    const bytes = await answered
    const line = lastLine(this.#tail)
    if (!line.startsWith(`${tag} OK`)) throw new Error(`${String(parts[0]).slice(0, 100)}: ${line}`)
    return bytes
  }

  /** IDLE, until `done`. */
  async idle(): Promise<void> {
    const waiting = this.#until((tail) => /(?:^|\r\n)\+ /.test(tail))
    this.socket.write(`i${this.#serial++} IDLE\r\n`)
    await waiting
  }

  async done(): Promise<void> {
    const answered = this.#until((tail) => /^i\d+ OK/.test(lastLine(tail)))
    this.socket.write('DONE\r\n')
    await answered
  }

  /** POP3: a one-line answer. @throws where it isn't +OK */
  async line(command: string): Promise<void> {
    const answered = this.#until((tail) => tail.endsWith('\r\n'))
    this.socket.write(`${command}\r\n`)
    await answered
    if (!this.#tail.startsWith('+OK')) throw new Error(`${command}: ${this.#tail}`)
  }

  /** POP3: a multi-line answer. @returns its bytes */
  multiline(command: string): Promise<number> {
    const answered = this.#until((tail) => tail.endsWith('\r\n.\r\n'))
    this.socket.write(`${command}\r\n`)
    return answered
  }

  /** POP3: `count` multi-line answers to commands sent at once. @returns their bytes */
  pipelined(commands: string, count: number): Promise<number> {
    let ends = 0
    let carry = ''
    const before = this.onChunk
    this.onChunk = (chunk) => {
      const text = carry + chunk.toString('latin1')
      for (let at = text.indexOf('\r\n.\r\n'); at >= 0; at = text.indexOf('\r\n.\r\n', at + 5)) ends += 1
      carry = text.endsWith('\r\n.\r\n') ? '' : text.slice(-4)
    }
    const answered = this.#until(() => ends >= count)
    this.socket.write(commands)
    return answered.finally(() => {
      this.onChunk = before
    })
  }

  async startTls(): Promise<void> {
    await this.command('STARTTLS')
    const plain = this.socket
    plain.removeAllListeners('data')
    this.socket = await new Promise<Socket>((resolve, reject) => {
      const secured = connectTls({ socket: plain, rejectUnauthorized: false, servername: 'localhost' }, () =>
        resolve(secured),
      )
      secured.on('error', reject)
    })
    this.#attach()
  }

  close(): void {
    this.#awaited = undefined
    this.socket.removeAllListeners('close')
    this.socket.destroy()
  }
}

function lastLine(tail: string): string {
  if (!tail.endsWith('\r\n')) return ''
  return tail.slice(tail.lastIndexOf('\n', tail.length - 2) + 1)
}

export function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

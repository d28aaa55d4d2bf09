// A raw POP3 client for tests: commands, multi-line answers with their dots taken off, bytes as they came.
import { type ConnectOptions, LineSocket } from './line-socket.ts'

export class Pop3Client {
  readonly link: LineSocket
  readonly greeting: string

  private constructor(link: LineSocket, greeting: string) {
    this.link = link
    this.greeting = greeting
  }

  static async connect(options: ConnectOptions): Promise<Pop3Client> {
    const link = await LineSocket.connect(options)
    return new Pop3Client(link, await link.line())
  }

  static async login(options: ConnectOptions, user: string, password: string): Promise<Pop3Client> {
    const client = await Pop3Client.connect(options)
    await client.must(`USER ${user}`)
    await client.must(`PASS ${password}`)
    return client
  }

  async command(line: string): Promise<string> {
    this.link.write(`${line}\r\n`)
    return this.link.line()
  }

  async must(line: string): Promise<string> {
    const reply = await this.command(line)
    if (!reply.startsWith('+OK')) throw new Error(`${line.startsWith('PASS') ? 'PASS' : line}: ${reply}`)
    return reply
  }

  /** A multi-line answer: the bytes between the first line and the end mark, dot-unstuffed. RFC 1939 §3. */
  async multiLine(line: string): Promise<Buffer> {
    await this.must(line)
    const wire = await this.link.untilDot(120_000)
    const end = wire.length - 3
    const parts: Buffer[] = []
    let from = wire[0] === 0x2e ? 1 : 0
    for (let at = wire.indexOf('\r\n.'); at >= 0 && at + 2 < end; at = wire.indexOf('\r\n.', at + 2)) {
      parts.push(wire.subarray(from, at + 2))
      from = at + 3
    }
    parts.push(wire.subarray(from, Math.max(from, end)))
    return Buffer.concat(parts)
  }

  async startTls(): Promise<void> {
    await this.must('STLS')
    await this.link.startTls()
  }

  async count(): Promise<number> {
    return Number((await this.must('STAT')).split(' ')[1])
  }

  async quit(): Promise<void> {
    try {
      await this.must('QUIT')
    } finally {
      this.link.destroy()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.link.destroy()
  }
}

// A raw SMTP client for tests: sends exactly the bytes it is told, pipelines where told, and gives every reply as it came.
import { type ConnectOptions, LineSocket } from './line-socket.ts'

export interface SmtpReply {
  code: number
  lines: string[]
  /** All lines joined, for messages. */
  text: string
}

export class SmtpClient {
  readonly link: LineSocket
  greeting: SmtpReply
  /** Keywords of the last EHLO answer, upper case, with their parameters. */
  extensions = new Map<string, string>()

  private constructor(link: LineSocket, greeting: SmtpReply) {
    this.link = link
    this.greeting = greeting
  }

  /** Connects and reads the greeting, whatever it says. */
  static async connect(options: ConnectOptions): Promise<SmtpClient> {
    const link = await LineSocket.connect(options)
    try {
      return new SmtpClient(link, await readReply(link))
    } catch (error) {
      link.destroy()
      throw error
    }
  }

  reply(timeoutMs?: number): Promise<SmtpReply> {
    return readReply(this.link, timeoutMs)
  }

  async command(line: string): Promise<SmtpReply> {
    this.link.write(`${line}\r\n`)
    return this.reply()
  }

  /** @throws Error with the whole reply when its code is not the expected one. */
  async expect(line: string, code: number): Promise<SmtpReply> {
    const reply = await this.command(line)
    if (reply.code !== code) throw new Error(`${line.slice(0, 100)}: expected ${code}, got ${reply.text}`)
    return reply
  }

  async ehlo(name = 'client.test'): Promise<void> {
    const reply = await this.expect(`EHLO ${name}`, 250)
    this.extensions = new Map(
      reply.lines.slice(1).map((line) => {
        const [keyword, ...rest] = line.slice(4).split(' ')
        return [(keyword as string).toUpperCase(), rest.join(' ')]
      }),
    )
  }

  async startTls(): Promise<void> {
    await this.expect('STARTTLS', 220)
    await this.link.startTls()
    await this.ehlo()
  }

  async login(user: string, password: string): Promise<void> {
    await this.expect(`AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString('base64')}`, 235)
  }

  /** One transaction, pipelined up to DATA; the reply to the message, or the first refusal. */
  async send(from: string, recipients: readonly string[], message: string | Uint8Array): Promise<SmtpReply> {
    const commands = [`MAIL FROM:<${from}>`, ...recipients.map((to) => `RCPT TO:<${to}>`), 'DATA']
    this.link.write(commands.map((line) => `${line}\r\n`).join(''))
    let refusal: SmtpReply | undefined
    for (const _recipient of [from, ...recipients]) {
      const reply = await this.reply()
      if (reply.code >= 400) refusal ??= reply
    }
    const data = await this.reply()
    if (data.code !== 354) return refusal ?? data
    this.link.write(dotStuffed(message))
    const last = await this.reply(120_000)
    return refusal ?? last
  }

  async quit(): Promise<void> {
    try {
      await this.command('QUIT')
    } finally {
      this.link.destroy()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.link.destroy()
  }
}

async function readReply(link: LineSocket, timeoutMs?: number): Promise<SmtpReply> {
  const lines: string[] = []
  for (;;) {
    const line = await link.line(timeoutMs)
    lines.push(line)
    if (!/^\d{3}([ -]|$)/.test(line)) throw new Error(`not an SMTP reply: ${JSON.stringify(line.slice(0, 200))}`)
    if (line[3] !== '-') return { code: Number(line.slice(0, 3)), lines, text: lines.join(' | ') }
  }
}

/** The message as DATA carries it: leading dots doubled, and the end mark. RFC 5321 §4.5.2. */
export function dotStuffed(message: string | Uint8Array): Buffer {
  const bytes = typeof message === 'string' ? Buffer.from(message) : Buffer.from(message)
  const parts: Buffer[] = []
  let from = 0
  if (bytes[0] === 0x2e) parts.push(Buffer.from('.'))
  for (let at = bytes.indexOf('\r\n.'); at >= 0; at = bytes.indexOf('\r\n.', at + 2)) {
    parts.push(bytes.subarray(from, at + 2), Buffer.from('.'))
    from = at + 2
  }
  parts.push(bytes.subarray(from))
  const endsWithLine = bytes.length === 0 || bytes.subarray(-2).equals(Buffer.from('\r\n'))
  parts.push(Buffer.from(endsWithLine ? '.\r\n' : '\r\n.\r\n'))
  return Buffer.concat(parts)
}

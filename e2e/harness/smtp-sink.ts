// A mail server of the test's own that takes everything and keeps what it was told: strict by the book, or as lax as the laxest.
import { type Server, type Socket, createServer } from 'node:net'
import { loopbackAddress } from './addresses.ts'

export interface SinkLetter {
  from: string
  recipients: string[]
  /** As it came, dots taken off. */
  bytes: Buffer
  /** The name that the sender gave itself. */
  helo: string
  /** When the sender was told that it is taken (`performance.now()`). */
  atMs: number
}

/** A moment at which a sink may answer otherwise. `end`: the letter is here, and not taken yet. */
export interface SinkMoment {
  at: 'greeting' | 'recipient' | 'end'
  helo: string
  from: string
  recipients: readonly string[]
}

/** One reply line to give in place of the usual; undefined: the usual. A greeting that is refused closes the connection. */
export type SinkJudge = (moment: SinkMoment) => string | undefined | Promise<string | undefined>

export interface SinkOptions {
  port?: number
  /** Announced after EHLO. */
  extensions?: readonly string[]
  /**
   * `lax`: CR, LF and CR LF all end a line, of commands too; NULs are dropped before anything is looked at; a line of one dot
   * ends a letter. Whatever some real server has ever taken for the end of a letter, this one takes.
   */
  reading?: 'strict' | 'lax'
  judge?: SinkJudge
}

export class SmtpSink {
  readonly address: string
  readonly port: number
  readonly letters: SinkLetter[] = []
  /** Every command line of every connection, in the order they came. */
  readonly commands: string[] = []
  connections = 0
  private readonly server: Server
  private readonly sockets = new Set<Socket>()

  private constructor(address: string, port: number, options: SinkOptions) {
    this.address = address
    this.port = port
    this.server = createServer((socket) => {
      this.connections += 1
      this.sockets.add(socket)
      socket.on('close', () => this.sockets.delete(socket))
      socket.on('error', () => undefined)
      const session = new SinkSession(this, socket, options)
      socket.setEncoding('latin1').on('data', (chunk: string) => session.take(chunk))
    })
  }

  static async start(options: SinkOptions = {}): Promise<SmtpSink> {
    const sink = new SmtpSink(await loopbackAddress(), options.port ?? 10_026, options)
    await new Promise<void>((resolve, reject) => {
      sink.server.once('error', reject)
      sink.server.listen(sink.port, sink.address, resolve)
    })
    return sink
  }

  get route(): string {
    return `${this.address}:${this.port}`
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }
}

class SinkSession {
  private readonly sink: SmtpSink
  private readonly socket: Socket
  private readonly lax: boolean
  private readonly extensions: readonly string[]
  private readonly judge: SinkJudge | undefined
  private thinking = false
  private helo = ''
  private text = ''
  private from = ''
  private recipients: string[] = []
  private lines: string[] | undefined

  constructor(sink: SmtpSink, socket: Socket, { reading = 'strict', extensions, judge }: SinkOptions) {
    this.judge = judge
    this.sink = sink
    this.socket = socket
    this.lax = reading === 'lax'
    this.extensions = extensions ?? ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'SIZE 100000000']
    this.say('220 sink.test ESMTP')
  }

  take(chunk: string): void {
    this.text += this.lax ? chunk.replaceAll('\0', '') : chunk
    this.read()
  }

  private say(line: string): void {
    this.socket.write(`${line}\r\n`)
  }

  /** Gives the judge's answer, or lets `usual` go on; what comes meanwhile waits. True: the usual goes on at once. */
  private asUsual(at: SinkMoment['at'], usual: () => void): void {
    if (!this.judge) return usual()
    const { helo, from, recipients } = this
    const said = this.judge({ at, helo, from, recipients })
    const goOn = (reply: string | undefined) => {
      if (reply === undefined) return usual()
      this.say(reply)
      if (at === 'greeting') this.socket.end()
    }
    if (!(said instanceof Promise)) return goOn(said)
    this.thinking = true
    void said.then((reply) => {
      this.thinking = false
      goOn(reply)
      this.read()
    })
  }

  private read(): void {
    while (!this.thinking) {
      const end = this.lax ? /\r\n|\n|\r(?=[^])/.exec(this.text) : /\r\n/.exec(this.text)
      if (!end) return
      const line = this.text.slice(0, end.index)
      this.text = this.text.slice(end.index + end[0].length)
      if (this.lines) this.dataLine(line)
      else this.command(Buffer.from(line, 'latin1').toString('utf8'))
    }
  }

  private dataLine(line: string): void {
    const lines = this.lines as string[]
    if (line !== '.') {
      lines.push(line.startsWith('.') ? line.slice(1) : line)
      return
    }
    const bytes = Buffer.from(lines.map((one) => `${one}\r\n`).join(''), 'latin1')
    this.lines = undefined
    this.asUsual('end', () => {
      const { helo, from, recipients } = this
      this.recipients = []
      // A sender that is gone has not been told, and the letter is still its own.
      if (this.socket.destroyed) return
      this.sink.letters.push({ from, recipients, bytes, helo, atMs: performance.now() })
      this.say('250 2.0.0 taken')
    })
  }

  private command(line: string): void {
    this.sink.commands.push(line)
    const verb = line.slice(0, 4).toUpperCase()
    if (verb === 'EHLO') {
      this.helo = line.slice(5)
      const replies = ['sink.test', ...this.extensions]
      this.asUsual('greeting', () => {
        replies.forEach((text, index) => this.say(`250${index < replies.length - 1 ? '-' : ' '}${text}`))
      })
    } else if (verb === 'MAIL') {
      this.from = /<(.*)>/.exec(line)?.[1] ?? ''
      this.recipients = []
      this.say('250 2.1.0 ok')
    } else if (verb === 'RCPT') {
      const recipient = /<(.*)>/.exec(line)?.[1] ?? ''
      this.recipients.push(recipient)
      this.asUsual('recipient', () => this.say('250 2.1.5 ok'))
    } else if (verb === 'DATA') {
      this.lines = []
      this.say('354 go on')
    } else if (verb === 'QUIT') {
      this.say('221 2.0.0 bye')
      this.socket.end()
    } else if (['HELO', 'RSET', 'NOOP'].includes(verb)) {
      this.say('250 2.0.0 ok')
    } else {
      this.say('500 5.5.2 what?')
    }
  }
}

// A mail server of the test's own that takes everything and keeps what it was told: strict by the book, or as lax as the laxest.
import { readFileSync } from 'node:fs'
import { type Server, type Socket, createServer } from 'node:net'
import { TLSSocket, createSecureContext } from 'node:tls'
import { loopbackAddress } from './addresses.ts'

export interface SinkLetter {
  from: string
  recipients: string[]
  /** As it came, dots taken off. */
  bytes: Buffer
  secure: boolean
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
  /** What it says to RCPT, with its line ends, exactly as it goes out; undefined: 250. */
  answerRcpt?: (address: string) => string | undefined
  /** What it says to a connection in place of its greeting; undefined: it greets. */
  answerConnection?: (number: number) => string | undefined
  /**
   * With a certificate, STARTTLS is offered. `behind`: bytes in clear text in the same write as the reply to STARTTLS; `late`: in a
   * write of their own before the handshake. Inside TLS `extensions` are announced, before it `clearExtensions`.
   */
  tls?: { cert: string; key: string; behind?: string; late?: string; clearExtensions?: readonly string[] }
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
      socket.on('error', () => socket.destroy())
      const session = new SinkSession(this, socket, options)
      session.begin(this.connections)
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
  private socket: Socket
  private readonly options: SinkOptions
  private readonly lax: boolean
  private secure = false
  private thinking = false
  private helo = ''
  private text = ''
  private from = ''
  private recipients: string[] = []
  private lines: string[] | undefined

  constructor(sink: SmtpSink, socket: Socket, options: SinkOptions) {
    this.sink = sink
    this.socket = socket
    this.options = options
    this.lax = options.reading === 'lax'
  }

  begin(number: number): void {
    const instead = this.options.answerConnection?.(number)
    if (instead !== undefined) {
      this.socket.end(instead)
      return
    }
    this.say('220 sink.test ESMTP')
    this.listen()
  }

  private listen(): void {
    this.socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1')
      this.text += this.lax ? text.replaceAll('\0', '') : text
      this.read()
    })
    this.socket.on('error', () => this.socket.destroy())
  }

  private startTls({ cert, key, behind = '', late }: NonNullable<SinkOptions['tls']>): void {
    const plain = this.socket
    plain.removeAllListeners('data')
    plain.write(`220 2.0.0 go on\r\n${behind}`)
    if (late !== undefined) plain.write(late)
    this.text = ''
    const secureContext = createSecureContext({ cert: readFileSync(cert), key: readFileSync(key) })
    this.socket = new TLSSocket(plain, { isServer: true, secureContext })
    this.secure = true
    this.listen()
  }

  private say(line: string): void {
    this.socket.write(`${line}\r\n`)
  }

  /** Gives the judge's answer, or lets `usual` go on; what comes meanwhile waits. */
  private asUsual(at: SinkMoment['at'], usual: () => void): void {
    const { helo, from, recipients, options } = this
    const said = options.judge?.({ at, helo, from, recipients })
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
      const { helo, from, recipients, secure } = this
      this.recipients = []
      // A sender that is gone has not been told, and the letter is still its own.
      if (this.socket.destroyed) return
      this.sink.letters.push({ from, recipients, bytes, secure, helo, atMs: performance.now() })
      this.say('250 2.0.0 taken')
    })
  }

  private command(line: string): void {
    this.sink.commands.push(line)
    const verb = line.slice(0, 4).toUpperCase()
    if (verb === 'EHLO') {
      const { tls, extensions = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'SIZE 100000000'] } = this.options
      const clear = ['STARTTLS', ...(tls?.clearExtensions ?? extensions)]
      const replies = ['sink.test', ...(tls && !this.secure ? clear : extensions)]
      this.helo = line.slice(5)
      this.asUsual('greeting', () => {
        replies.forEach((text, index) => this.say(`250${index < replies.length - 1 ? '-' : ' '}${text}`))
      })
    } else if (verb === 'MAIL') {
      this.from = /<(.*)>/.exec(line)?.[1] ?? ''
      this.recipients = []
      this.say('250 2.1.0 ok')
    } else if (verb === 'RCPT') {
      const address = /<(.*)>/.exec(line)?.[1] ?? ''
      const answer = this.options.answerRcpt?.(address)
      this.asUsual('recipient', () => {
        if (answer === undefined) this.recipients.push(address)
        this.socket.write(Buffer.from(answer ?? '250 2.1.5 ok\r\n', 'latin1'))
      })
    } else if (verb === 'DATA' && this.recipients.length === 0) {
      this.say('554 5.5.1 no recipients')
    } else if (verb === 'STAR' && this.options.tls && !this.secure) {
      this.startTls(this.options.tls)
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

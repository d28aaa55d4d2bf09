// A raw IMAP client for tests and bench: tagged commands, literals as bytes, untagged answers kept as they came.
import { type ConnectOptions, LineSocket } from './line-socket.ts'

/** One response line with the literals that it held; `{n}` marks where each was. */
export interface ImapLine {
  text: string
  literals: Buffer[]
}

export interface ImapResult {
  status: string
  /** The tagged line after the tag. */
  text: string
  untagged: ImapLine[]
}

export class ImapClient {
  readonly link: LineSocket
  readonly greeting: string
  private counter = 0
  /** Messages in the selected mailbox, by the last EXISTS. */
  exists = 0

  private constructor(link: LineSocket, greeting: string) {
    this.link = link
    this.greeting = greeting
  }

  static async connect(options: ConnectOptions): Promise<ImapClient> {
    const link = await LineSocket.connect(options)
    return new ImapClient(link, await link.line())
  }

  /** A connection that is logged in. */
  static async login(options: ConnectOptions, user: string, password: string): Promise<ImapClient> {
    const client = await ImapClient.connect(options)
    try {
      await client.must(`LOGIN ${quoted(user)} ${quoted(password)}`)
      return client
    } catch (error) {
      client.link.destroy()
      throw error
    }
  }

  async line(timeoutMs?: number): Promise<ImapLine> {
    const literals: Buffer[] = []
    let text = ''
    for (;;) {
      text += await this.link.line(timeoutMs)
      const literal = /\{(\d+)\}$/.exec(text)
      if (!literal) break
      literals.push(await this.link.bytes(Number(literal[1]), timeoutMs))
    }
    const exists = /^\* (\d+) EXISTS$/i.exec(text)
    if (exists) this.exists = Number(exists[1])
    return { text, literals }
  }

  nextTag(): string {
    this.counter += 1
    return `a${this.counter}`
  }

  /** Sends a command; `literals` go out one by one after the server's `+`. */
  async command(command: string, literals: readonly Uint8Array[] = [], timeoutMs?: number): Promise<ImapResult> {
    const tag = this.nextTag()
    const untagged: ImapLine[] = []
    const waiting = [...literals]
    this.link.write(`${tag} ${command}${literals[0] ? ` {${literals[0].length}}` : ''}\r\n`)
    for (;;) {
      const line = await this.line(timeoutMs)
      if (line.text.startsWith('+')) {
        const literal = waiting.shift()
        if (!literal) throw new Error(`unexpected continuation: ${line.text}`)
        this.link.write(literal)
        this.link.write(waiting[0] ? ` {${waiting[0].length}}\r\n` : '\r\n')
      } else if (line.text.startsWith(`${tag} `)) {
        const text = line.text.slice(tag.length + 1)
        return { status: (text.split(' ')[0] as string).toUpperCase(), text, untagged }
      } else {
        untagged.push(line)
        if (/^\* BYE/i.test(line.text) && !/^LOGOUT/i.test(command)) throw new Error(`server said ${line.text}`)
      }
    }
  }

  async must(command: string, literals: readonly Uint8Array[] = [], timeoutMs?: number): Promise<ImapResult> {
    const result = await this.command(command, literals, timeoutMs)
    if (result.status !== 'OK') throw new Error(`${command.slice(0, 100)}: ${result.text}`)
    return result
  }

  async select(mailbox: string): Promise<number> {
    this.exists = 0
    await this.must(`SELECT ${quoted(mailbox)}`)
    return this.exists
  }

  /** Count by STATUS: asks the server, selects nothing. */
  async count(mailbox: string): Promise<number> {
    const { untagged } = await this.must(`STATUS ${quoted(mailbox)} (MESSAGES)`)
    for (const { text } of untagged) {
      const match = /^\* STATUS .*\(MESSAGES (\d+)\)$/i.exec(text)
      if (match) return Number(match[1])
    }
    throw new Error(`no STATUS answer for ${mailbox}`)
  }

  /** Whole messages of the selected mailbox by sequence set; each with its UID. */
  async fetchBodies(set: string, section = 'BODY.PEEK[]'): Promise<Map<number, Buffer>> {
    const { untagged } = await this.must(`FETCH ${set} (UID ${section})`, [], 120_000)
    const bodies = new Map<number, Buffer>()
    for (const { text, literals } of untagged) {
      const uid = /^\* \d+ FETCH \(.*\bUID (\d+)/i.exec(text)
      const body = literals[0] ?? quotedBody(text)
      if (uid && body) bodies.set(Number(uid[1]), body)
    }
    return bodies
  }

  /** The chosen header field of every message in the selected mailbox, in sequence order. */
  async headerValues(field: string): Promise<string[]> {
    const bodies = await this.fetchBodies('1:*', `BODY.PEEK[HEADER.FIELDS (${field})]`)
    return [...bodies.values()].map((header) => {
      const text = header.toString('utf8').replaceAll(/\r\n(?=[ \t])/g, '')
      return text.slice(text.indexOf(':') + 1).trim()
    })
  }

  async idle(): Promise<IdleSession> {
    const tag = this.nextTag()
    this.link.write(`${tag} IDLE\r\n`)
    const line = await this.line()
    if (!line.text.startsWith('+')) throw new Error(`IDLE: ${line.text}`)
    return {
      next: (timeoutMs) => this.line(timeoutMs),
      done: async () => {
        this.link.write('DONE\r\n')
        while (!(await this.line()).text.startsWith(`${tag} `));
      },
    }
  }

  async logout(): Promise<void> {
    try {
      await this.command('LOGOUT')
    } finally {
      this.link.destroy()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.link.destroy()
  }
}

export interface IdleSession {
  next(timeoutMs?: number): Promise<ImapLine>
  done(): Promise<void>
}

export function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}

/** A body given as a quoted string, as servers may for short ones. */
function quotedBody(text: string): Buffer | undefined {
  const match = /BODY\[[^\]]*\](?:<\d+>)? "((?:[^"\\]|\\.)*)"/i.exec(text)
  return match ? Buffer.from((match[1] as string).replaceAll(/\\(.)/g, '$1')) : undefined
}

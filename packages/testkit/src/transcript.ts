// Golden sessions: readable files of what clients say (`C:`) and servers answer (`S:`), run against a real connection.
// Promises: every line the server says is accounted for, in order; a mismatch names the line and shows both sides.
//
//   # comment                         C2: text          from a second connection (its answers are S2:)
//   C: a1 LOGIN {{user}} secret       C!: a\r\nb        as it stands, with escapes and without a line end
//   S: a1 OK {/.*/}                   S~: * FLAGS …     neighbouring S~ lines may come in any order
//   S: /^\* (?<n>\d+) EXISTS$/        S: ...            anything up to the line that follows
//   C: a2 APPEND INBOX {{{size}}}     C|line            neighbouring C| lines: a literal, each ending with CRLF;
//   S: * 1 FETCH (BODY[] {{{size}}}   S|line            `{{size}}` in the C: or S: line before is its length
//   @name arguments                   a step of the test's own; @connect, @tls, @close, @closed C2 are built in
//
// In S: lines `{{name}}` stands for a value captured before, or captures one. `{/…/}` is a regular expression within a
// line, and `/…/` a whole line; what their named groups match is captured too.
import { readFile } from 'node:fs/promises'
import { LineReader } from './transcript-connection.ts'
import type { Connect } from './transcript-connection.ts'

export interface TranscriptOptions {
  /** Values known from the start. */
  values?: Record<string, string>
  /** Steps called by `@name arguments`. */
  steps?: Record<string, (context: TranscriptContext, ...args: string[]) => Promise<void> | void>
  /** Longest wait for one line. Default 5 s. */
  lineTimeoutMs?: number
}

export interface TranscriptContext {
  values: Map<string, string>
  /** The connection of that name, such as `C` or `C2`; opened when there is none. */
  connection(name: string): Promise<LineReader>
}

interface TranscriptLine {
  number: number
  kind: 'client' | 'raw' | 'server' | 'unordered' | 'skip' | 'step' | 'client-literal' | 'server-literal'
  connection: string
  text: string
}

/**
 * Runs the transcript in `source`: its text, or the path of its file where it has no line break.
 * @throws Error naming the transcript's line that did not hold.
 */
export async function runTranscript(source: string, connect: Connect, options: TranscriptOptions = {}): Promise<void> {
  const text = source.includes('\n') ? source : await readFile(source, 'utf8')
  await new TranscriptRun(parseTranscript(text), connect, options).run()
}

export function parseTranscript(text: string): TranscriptLine[] {
  const lines: TranscriptLine[] = []
  for (const [at, raw] of text.split('\n').entries()) {
    const number = at + 1
    if (raw.trim() === '' || raw.startsWith('#')) continue
    if (raw.startsWith('@')) {
      lines.push({ number, kind: 'step', connection: 'C', text: raw.slice(1).trim() })
      continue
    }
    const match = /^([CS])(\d*)(?:(\|)(.*)|([!~]?):(?: (.*))?)$/.exec(raw)
    if (match === null) throw new Error(`transcript line ${number} is not understood: ${raw}`)
    const [, side, digits, bar, literal, mark, said] = match
    const connection = `C${digits ?? ''}`
    if (bar !== undefined) {
      const kind = side === 'C' ? 'client-literal' : 'server-literal'
      lines.push({ number, kind, connection, text: literal ?? '' })
    } else
      lines.push({ number, kind: kindOf(side as string, mark as string, said ?? ''), connection, text: said ?? '' })
  }
  return lines
}

function kindOf(side: string, mark: string, said: string): TranscriptLine['kind'] {
  if (side === 'C') return mark === '!' ? 'raw' : 'client'
  if (mark === '~') return 'unordered'
  return said === '...' ? 'skip' : 'server'
}

class TranscriptRun {
  readonly values: Map<string, string>
  readonly #lines: readonly TranscriptLine[]
  readonly #connect: Connect
  readonly #options: TranscriptOptions
  readonly #readers = new Map<string, LineReader>()

  constructor(lines: readonly TranscriptLine[], connect: Connect, options: TranscriptOptions) {
    this.#lines = lines
    this.#connect = connect
    this.#options = options
    this.values = new Map(Object.entries(options.values ?? {}))
  }

  async run(): Promise<void> {
    try {
      for (let at = 0; at < this.#lines.length;) at = await this.#runLine(at)
      for (const [name, reader] of this.#readers) {
        const left = reader.unread()
        if (left !== '') throw new Error(`${name}: the server said more than the transcript: ${JSON.stringify(left)}`)
      }
    } finally {
      for (const reader of this.#readers.values()) reader.close()
    }
  }

  /** @returns the place of the next line to run. */
  async #runLine(at: number): Promise<number> {
    const line = this.#lines[at] as TranscriptLine
    try {
      return await this.#dispatch(line, at)
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error)
      throw new Error(`transcript line ${line.number}: ${said}`, { cause: error })
    }
  }

  async #dispatch(line: TranscriptLine, at: number): Promise<number> {
    if (line.kind === 'step') {
      await this.#step(line.text)
      return at + 1
    }
    const reader = await this.connection(line.connection)
    switch (line.kind) {
      case 'client':
        reader.write(Buffer.from(`${this.#fill(line.text, this.#literalAfter(at, 'client-literal'))}\r\n`))
        return at + 1
      case 'raw':
        reader.write(unescape(this.#fill(line.text, undefined)))
        return at + 1
      case 'client-literal':
      case 'server-literal':
        return this.#literal(reader, line.kind, at)
      case 'unordered':
        return this.#unordered(reader, at)
      case 'skip':
        return this.#skip(reader, at)
      default:
        this.#expect(line.text, await reader.line(), this.#literalAfter(at, 'server-literal'))
        return at + 1
    }
  }

  async #step(text: string): Promise<void> {
    const [name = '', ...args] = text.split(/\s+/)
    const target = args[0] ?? 'C'
    if (name === 'connect') await this.connection(target)
    else if (name === 'close') {
      this.#readers.get(target)?.close()
      this.#readers.delete(target)
    } else if (name === 'closed') {
      await (await this.connection(target)).ended()
      this.#readers.delete(target)
    } else if (name === 'tls') await (await this.connection(target)).secure()
    else {
      const step = this.#options.steps?.[name]
      if (step === undefined) throw new Error(`there is no step @${name}`)
      await step(this, ...args.map((arg) => this.#fill(arg, undefined)))
    }
  }

  async connection(name: string): Promise<LineReader> {
    let reader = this.#readers.get(name)
    if (reader === undefined) {
      reader = new LineReader(await this.#connect(name), this.#options.lineTimeoutMs ?? 5000)
      this.#readers.set(name, reader)
    }
    return reader
  }

  /** The literal that begins right after line `at`. */
  #literalAfter(at: number, kind: TranscriptLine['kind']): Buffer | undefined {
    // The server may answer between a client's announcement and its literal.
    let start = at + 1
    if (kind === 'client-literal') while (this.#lines[start]?.kind === 'server') start++
    const end = this.#literalEnd(start, kind)
    return end === start ? undefined : this.#literalBytes(start, end)
  }

  #literalEnd(start: number, kind: TranscriptLine['kind']): number {
    let end = start
    while (this.#lines[end]?.kind === kind) end++
    return end
  }

  #literalBytes(start: number, end: number): Buffer {
    const texts = this.#lines.slice(start, end).map((line) => `${this.#fill(line.text, undefined)}\r\n`)
    return Buffer.from(texts.join(''))
  }

  async #literal(reader: LineReader, kind: TranscriptLine['kind'], at: number): Promise<number> {
    const end = this.#literalEnd(at, kind)
    const bytes = this.#literalBytes(at, end)
    if (kind === 'client-literal') reader.write(bytes)
    else {
      const got = await reader.bytes(bytes.length)
      if (!got.equals(bytes)) {
        throw new Error(`wanted ${JSON.stringify(bytes.toString())}\n but got ${JSON.stringify(got.toString())}`)
      }
    }
    return end
  }

  async #unordered(reader: LineReader, at: number): Promise<number> {
    let end = at
    while (this.#lines[end]?.kind === 'unordered') end++
    const wanted = this.#lines.slice(at, end).map((line) => line.text)
    while (wanted.length > 0) {
      const got = await reader.line()
      const found = wanted.findIndex((pattern) => this.#matches(pattern, got, undefined))
      if (found === -1)
        throw new Error(`got ${JSON.stringify(got)}\n which is none of ${JSON.stringify(wanted, null, 1)}`)
      wanted.splice(found, 1)
    }
    return end
  }

  async #skip(reader: LineReader, at: number): Promise<number> {
    const next = this.#lines[at + 1]
    if (next === undefined || next.kind !== 'server') throw new Error('after S: ... an S: line is wanted')
    while (!this.#matches(next.text, await reader.line(), undefined)) continue
    return at + 2
  }

  #expect(pattern: string, got: string, literal: Buffer | undefined): void {
    if (this.#matches(pattern, got, literal)) return
    throw new Error(`wanted ${JSON.stringify(pattern)}\n but got ${JSON.stringify(got)}`)
  }

  /** Matches a line; where it does, keeps what it captures. */
  #matches(pattern: string, got: string, literal: Buffer | undefined): boolean {
    const match = this.#expression(pattern, literal).exec(got)
    if (match === null) return false
    for (const [name, value] of Object.entries(match.groups ?? {})) this.values.set(name, value)
    return true
  }

  #expression(pattern: string, literal: Buffer | undefined): RegExp {
    const whole = /^\/(.*)\/$/.exec(pattern)?.[1]
    if (whole !== undefined) return new RegExp(`^(?:${whole})$`, 's')
    const captured = new Set<string>()
    let source = ''
    for (const piece of pattern.matchAll(/\{\{(\w+)\}\}|\{\/(.*?)\/\}|[^{]+|\{/g)) {
      const [text, name, expression] = piece
      if (expression !== undefined) source += `(?:${expression})`
      else if (name === undefined) source += escapeExpression(text)
      else if (name === 'size' && literal !== undefined) source += literal.length
      else if (this.values.has(name)) source += escapeExpression(this.values.get(name) as string)
      else {
        source += captured.has(name) ? `\\k<${name}>` : `(?<${name}>.+?)`
        captured.add(name)
      }
    }
    return new RegExp(`^(?:${source})$`, 's')
  }

  /** Puts values in the place of `{{name}}`. */
  #fill(text: string, literal: Buffer | undefined): string {
    return text.replaceAll(/\{\{(\w+)\}\}/g, (_whole, name: string) => {
      if (name === 'size' && literal !== undefined) return String(literal.length)
      const value = this.values.get(name)
      if (value === undefined) throw new Error(`nothing is known as {{${name}}}`)
      return value
    })
  }
}

function escapeExpression(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')
}

/** `\r`, `\n`, `\t`, `\0`, `\\`, `\xHH` and `\*N{text}` (N times the text); everything else is UTF-8. */
function unescape(text: string): Buffer {
  const pieces: Buffer[] = []
  const plain: Record<string, string> = { r: '\r', n: '\n', t: '\t', 0: '\0', '\\': '\\' }
  for (const piece of text.matchAll(/\\\*(\d+)\{([^}]*)\}|\\x([0-9a-f]{2})|\\([rnt0\\])|[^\\]+|\\/gi)) {
    const [whole, times, repeated, hex, name] = piece
    if (times !== undefined) pieces.push(Buffer.from((repeated ?? '').repeat(Number(times))))
    else if (hex !== undefined) pieces.push(Buffer.from([Number.parseInt(hex, 16)]))
    else pieces.push(Buffer.from(name === undefined ? whole : (plain[name] ?? name)))
  }
  return Buffer.concat(pieces)
}

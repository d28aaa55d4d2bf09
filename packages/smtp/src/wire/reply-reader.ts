// What another server says (RFC 5321 §4.2.1): replies of one or more lines, cut out of whatever chunks they come in.

export interface ServerReply {
  code: number
  /** Without code and separator, at least one. */
  lines: string[]
}

export interface ReplyReaderLimits {
  replyLineBytesMax: number
  replyLinesMax: number
}

export class ReplyReader {
  readonly #limits: ReplyReaderLimits
  #text = ''
  #lines: string[] = []

  constructor(limits: ReplyReaderLimits) {
    this.#limits = limits
  }

  /** True where something has come that no reply took. */
  get hasMore(): boolean {
    return this.#text !== '' || this.#lines.length > 0
  }

  push(chunk: Buffer): void {
    this.#text += chunk.toString('latin1')
  }

  /** The next whole reply; null when more must come first; 'malformed' for what is no reply, after which nothing counts. */
  next(): ServerReply | 'malformed' | null {
    for (;;) {
      const lf = this.#text.indexOf('\n')
      if (lf < 0) return this.#text.length > this.#limits.replyLineBytesMax ? 'malformed' : null
      const line = this.#text.slice(0, lf > 0 && this.#text[lf - 1] === '\r' ? lf - 1 : lf)
      this.#text = this.#text.slice(lf + 1)
      // A CR within is text like any other: what the server means by its code is not lost for it.
      const match = /^([2-5]\d\d)(?:([ -])([^]*))?$/.exec(line)
      if (!match || line.length > this.#limits.replyLineBytesMax || this.#lines.length >= this.#limits.replyLinesMax) {
        return 'malformed'
      }
      this.#lines.push(Buffer.from(match[3] ?? '', 'latin1').toString('utf8'))
      if (match[2] === '-') continue
      const lines = this.#lines
      this.#lines = []
      return { code: Number(match[1]), lines }
    }
  }
}

/** RFC 3463 status at the head of a reply, or the class of its code alone. */
export function statusOf(reply: ServerReply): string {
  const match = /^([245]\.\d{1,3}\.\d{1,3})(?: |$)/.exec(reply.lines[0] ?? '')
  const family = String(reply.code)[0] ?? '4'
  return match?.[1]?.startsWith(family) ? match[1] : `${family}.0.0`
}

// oxlint-disable-next-line no-control-regex
const controls = /[\x00-\x1f\x7f-\x9f]+/g

/** One line for people, without the status that `statusOf` gives. */
export function textOf(reply: ServerReply, charactersMax: number): string {
  const lines = reply.lines.map((line) => line.replace(/^[245]\.\d{1,3}\.\d{1,3}(?: |$)/, ''))
  return lines.join(' ').replace(controls, ' ').trim().slice(0, charactersMax)
}

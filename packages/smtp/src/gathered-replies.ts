// Replies on their way out. RFC 2920 §3.2: those to a batch of commands go out together.
// Promises: one status code (RFC 3463) in each line; nothing in a text can end its line.

const startsWithStatus = /^[245]\.\d{1,3}\.\d{1,3} /
// oxlint-disable-next-line no-control-regex
const controls = /[\x00-\x1f\x7f-\x9f]/g
const charactersMax = 16 * 1024

export class GatheredReplies {
  #text = ''

  /** @param status for a line that does not begin with one; '' for none */
  add(code: number, lines: readonly string[], status: () => string): void {
    const last = lines.length - 1
    lines.forEach((line, i) => {
      const missing = startsWithStatus.test(line) ? '' : status()
      const text = line.replace(controls, ' ')
      this.#text += `${code}${i < last ? '-' : ' '}${missing === '' ? '' : `${missing} `}${text}\r\n`
    })
  }

  get isFull(): boolean {
    return this.#text.length > charactersMax
  }

  /** What was gathered, and is forgotten with that. */
  take(): string {
    const text = this.#text
    this.#text = ''
    return text
  }
}

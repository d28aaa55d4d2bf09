// The base subject (RFC 5256 §2.1): what is left of a subject without `Re:`, `Fwd:`, `[list]` and their like.
// Pure; the time is linear in the subject's length, whatever stands in it.

export interface BaseSubject {
  base: string
  /** Something said that the message is a reply or was forwarded. */
  reply: boolean
}

const FORWARD_HEAD = '[fwd:'
const FORWARD_TRAILER = '(fwd)'

/** @param subject decoded Unicode text. */
export function baseSubject(subject: string): BaseSubject {
  // Step 1: one line, single spaces.
  return new Extraction(subject.replaceAll(/[\t\r\n ]+/g, ' ')).run()
}

class Extraction {
  readonly #text: string
  readonly #lower: string
  #start = 0
  #end: number
  #reply = false

  constructor(text: string) {
    this.#text = text
    // Letters outside ASCII may change their length: only ASCII is looked at.
    this.#lower = text.replaceAll(/[A-Z]+/g, (run) => run.toLowerCase())
    this.#end = text.length
  }

  run(): BaseSubject {
    do {
      this.#dropTrailers()
      this.#dropLeaders()
    } while (this.#unwrapForward())
    return { base: this.#text.slice(this.#start, this.#end), reply: this.#reply }
  }

  /** Step 2: `(fwd)` and spaces at the end. */
  #dropTrailers(): void {
    while (this.#end > this.#start) {
      if (this.#text.charCodeAt(this.#end - 1) === 0x20) {
        this.#end--
      } else if (
        this.#end - FORWARD_TRAILER.length >= this.#start &&
        this.#lower.endsWith(FORWARD_TRAILER, this.#end)
      ) {
        this.#end -= FORWARD_TRAILER.length
        this.#reply = true
      } else return
    }
  }

  /** Steps 3 to 5. Blobs are looked at once: what follows all of them says whether they lead to a `Re:`. */
  #dropLeaders(): void {
    for (;;) {
      const start = this.#spaces(this.#start)
      let last = start
      let after = start
      for (let next = this.#blob(start); next !== undefined; next = this.#blob(next)) {
        last = after
        after = next
      }
      const reference = this.#reference(after)
      if (reference !== undefined) {
        this.#reply = true
        this.#start = reference
        continue
      }
      // Step 4: a blob goes only where something stays.
      this.#start = after < this.#end ? after : last
      return
    }
  }

  /** Step 6: `[fwd: … ]`. */
  #unwrapForward(): boolean {
    const inner = this.#start + FORWARD_HEAD.length
    const wrapped =
      this.#lower.startsWith(FORWARD_HEAD, this.#start) && inner < this.#end && this.#text[this.#end - 1] === ']'
    if (!wrapped) return false
    this.#reply = true
    this.#start = inner
    this.#end--
    return true
  }

  #spaces(at: number): number {
    while (at < this.#end && this.#text.charCodeAt(at) === 0x20) at++
    return at
  }

  /** `[…]` and the spaces after it. @returns the place after, undefined where there is none. */
  #blob(at: number): number | undefined {
    if (this.#text[at] !== '[') return undefined
    for (let place = at + 1; place < this.#end; place++) {
      const char = this.#text[place]
      if (char === '[') return undefined
      if (char === ']') return this.#spaces(place + 1)
    }
    return undefined
  }

  /** `re`, `fw` or `fwd`, maybe a blob, and a colon. @returns the place after. */
  #reference(at: number): number | undefined {
    const word = ['re', 'fwd', 'fw'].find((known) => this.#lower.startsWith(known, at))
    if (word === undefined) return undefined
    let place = this.#spaces(at + word.length)
    place = this.#blob(place) ?? place
    return place < this.#end && this.#text[place] === ':' ? place + 1 : undefined
  }
}

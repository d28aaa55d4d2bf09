// The terms of the messages that wait to be written, and where each stands.
import type { LetterTexts } from './letter.ts'
import { MASKS, SECTIONS } from './letter.ts'
import { GrowingBytes, GrowingNumbers } from './growing.ts'
import { searchLimits } from './limits.ts'
import { putPosting } from './postings.ts'
import { eachTerm } from './terms.ts'

export class TermTable {
  readonly #terms = new Map<string, number>()
  /** Three numbers for each posting: term, message, mask and count. */
  readonly #postings = new GrowingNumbers()

  /**
   * @param letter number of the message in its segment; ascending
   * @returns how many different terms it has, or -1 where it has too many: then some are left out.
   */
  add(letter: number, texts: LetterTexts): number {
    const found = new Map<string, number>()
    let tooMany = false
    for (const section of SECTIONS) {
      if (texts[section].length > searchLimits.termTextMax) {
        tooMany = true
        continue
      }
      const mask = MASKS[section]
      if (mask === 0) continue
      eachTerm(texts[section], (term) => {
        const before = found.get(term)
        if (before === undefined) {
          if (found.size >= searchLimits.termsPerMessageMax) tooMany = true
          else found.set(term, mask | 256)
        } else found.set(term, ((before | mask) & 255) | ((Math.min(before >>> 8, 0xffff) + 1) * 256))
      })
    }
    for (const [term, info] of found) {
      let number = this.#terms.get(term)
      if (number === undefined) {
        number = this.#terms.size
        this.#terms.set(term, number)
      }
      this.#postings.push(number)
      this.#postings.push(letter)
      this.#postings.push(info)
    }
    return tooMany ? -1 : found.size
  }

  /** In the order of their bytes; `term` is latin1 for its UTF-8. */
  *sorted(): Generator<{ term: string; postings: Buffer }> {
    const size = this.#terms.size
    const rows = this.#postings.view()
    const starts = new Uint32Array(size + 1)
    for (let at = 0; at < rows.length; at += 3) (starts[(rows[at] as number) + 1] as number)++
    for (let at = 0; at < size; at++) (starts[at + 1] as number) += starts[at] as number
    const byTerm = new Uint32Array(rows.length / 3)
    const next = starts.slice()
    for (let at = 0; at < rows.length; at += 3) byTerm[(next[rows[at] as number] as number)++] = at
    const numbers = new Map<string, number>()
    for (const [term, number] of this.#terms) numbers.set(utf8AsLatin1(term), number)
    const names = [...numbers.keys()].sort()
    const bytes = new GrowingBytes()
    for (const term of names) {
      const number = numbers.get(term) as number
      bytes.clear()
      let before = 0
      for (let at = starts[number] as number; at < (starts[number + 1] as number); at++) {
        const row = byTerm[at] as number
        const letter = rows[row + 1] as number
        const info = rows[row + 2] as number
        putPosting(bytes, letter - before, info & 255, info >>> 8)
        before = letter
      }
      yield { term, postings: bytes.view() }
    }
  }
}

function utf8AsLatin1(text: string): string {
  return /[^\x00-\x7f]/.test(text) ? Buffer.from(text).toString('latin1') : text
}

// What this node has said, in the order in which it said it, so that a peer that has heard it up to some number can be told the rest.
import type { JudgementRecord } from './record.ts'
import type { RecordBook } from './record-book.ts'

const slack = 1_000
/** Numbers begin with the time, so that a node that lost its last ones in a crash goes on above them. */
const numbersPerMs = 1_024

export class OwnWords {
  readonly #book: RecordBook
  /** Ascending numbers; what was said anew or is over since is still in it, and passed over. */
  #log: JudgementRecord[]
  #live: number
  #last: number

  constructor(book: RecordBook) {
    this.#book = book
    this.#log = [...book.all()].sort((a, b) => a.seq - b.seq)
    this.#live = this.#log.length
    this.#last = this.#log.at(-1)?.seq ?? 0
  }

  /** The highest number that was given. */
  get last(): number {
    return this.#last
  }

  nextSeq(nowMs: number): number {
    this.#last = Math.max(this.#last + 1, Math.floor(nowMs) * numbersPerMs)
    return this.#last
  }

  /** A peer has heard more of this node than it remembers: it crashed. Numbers go on above. */
  continueAbove(seq: number, latestMs: number): void {
    if (seq <= latestMs * numbersPerMs) this.#last = Math.max(this.#last, seq)
  }

  add(record: JudgementRecord): void {
    this.#log.push(record)
    if (this.#log.length > 2 * this.#live + slack) {
      this.#log = this.#log.filter((one) => this.#stands(one))
      this.#live = this.#log.length
    }
  }

  since(after: number, countMax: number): { records: JudgementRecord[]; upTo: number } {
    const records: JudgementRecord[] = []
    for (let at = this.#firstAbove(after); at < this.#log.length; at++) {
      const record = this.#log[at] as JudgementRecord
      if (!this.#stands(record)) continue
      if (records.length === countMax) return { records, upTo: records.at(-1)?.seq ?? after }
      records.push(record)
    }
    return { records, upTo: Math.max(after, this.#last) }
  }

  #stands(record: JudgementRecord): boolean {
    return this.#book.get(record.kind, record.key) === record
  }

  #firstAbove(after: number): number {
    let low = 0
    let high = this.#log.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#log[middle] as JudgementRecord).seq <= after) low = middle + 1
      else high = middle
    }
    return low
  }
}

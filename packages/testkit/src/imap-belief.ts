// What an IMAP client may believe of its mailbox, from nothing but untagged answers; an answer that cannot follow from what was
// said before throws. Several sessions share one ImapLore: what one has learnt of UIDs, MODSEQs and flags holds for all.

export interface BelievedMessage {
  uid?: number | undefined
  flags?: readonly string[] | undefined
  modseq?: number | undefined
}

/** What is known of one mailbox, named by its UIDVALIDITY, by all sessions together. */
interface Known {
  highestUid: number
  highestModseq: number
  /** UID -> when it was told to be gone, on the lore's own clock. */
  gone: Map<number, number>
  /** `UID/MODSEQ` -> flags: one MODSEQ, one state. */
  flags: Map<string, string>
}

export class ImapLore {
  readonly #mailboxes = new Map<number, Known>()
  #now = 0

  of(uidValidity: number): Known {
    let known = this.#mailboxes.get(uidValidity)
    if (known === undefined) {
      known = { highestUid: 0, highestModseq: 0, gone: new Map(), flags: new Map() }
      this.#mailboxes.set(uidValidity, known)
    }
    return known
  }

  tick(): number {
    return ++this.#now
  }

  /** The highest UID and MODSEQ known of each mailbox now. */
  snapshot(): Map<number, { uid: number; modseq: number }> {
    return new Map(
      [...this.#mailboxes].map(([id, known]) => [id, { uid: known.highestUid, modseq: known.highestModseq }]),
    )
  }
}

export interface AnswerRules {
  /** During FETCH, STORE and SEARCH no message may vanish (RFC 9051 §7.5.1). */
  numbersFixed?: boolean
}

interface Selection {
  sentAt: number
  before: Map<number, { uid: number; modseq: number }>
}

function refuse(line: string, why: string): never {
  throw new Error(`${line.slice(0, 300)}: ${why}`)
}

function sorted(flags: string): string[] {
  return flags.split(' ').filter(Boolean).sort()
}

/** `1:3,7` as numbers. */
export function numbersOf(set: string): number[] {
  return set.split(',').flatMap((range) => {
    const [from = 0, to = from] = range.split(':').map(Number)
    const [low, high] = [Math.min(from, to), Math.max(from, to)]
    return Array.from({ length: high - low + 1 }, (_, at) => low + at)
  })
}

export class ImapBelief {
  messages: BelievedMessage[] = []
  uidValidity = 0
  uidNext = 0
  /** As SELECT said it. */
  highestModseq = 0
  /** After ENABLE QRESYNC: VANISHED instead of EXPUNGE (RFC 7162 §3.2.10). */
  vanishing = false
  readonly #lore: ImapLore
  #selection: Selection | undefined
  #selecting = false

  constructor(lore: ImapLore = new ImapLore()) {
    this.#lore = lore
  }

  /** SELECT or EXAMINE goes out: what comes after `* FLAGS` or CLOSED is of the new mailbox. */
  willSelect(): void {
    this.#selection = { sentAt: this.#lore.tick(), before: this.#lore.snapshot() }
    this.#selecting = true
  }

  /** The mailbox is closed, or its SELECT failed. */
  close(): void {
    this.#selecting = false
    this.#forget()
  }

  /** After a STORE that asked not to be told what came of it. */
  forgetFlags(): void {
    for (const message of this.messages) message.flags = undefined
  }

  /** @param line an untagged answer; literals may be in it or not */
  take(line: string, rules: AnswerRules = {}): void {
    if (this.#selecting && /^\* (OK \[CLOSED\]|FLAGS )/i.test(line)) {
      this.#selecting = false
      this.#forget()
    }
    const numbered = /^\* (\d+) (EXISTS|EXPUNGE|FETCH)(?: \((.*)\))?$/s.exec(line)
    if (numbered !== null) {
      const number = Number(numbered[1])
      if (numbered[2] === 'EXISTS') this.#exists(line, number)
      else if (numbered[2] === 'EXPUNGE') this.#expunge(line, number, rules)
      else this.#fetch(line, number, numbered[3] ?? '')
      return
    }
    const vanished = /^\* VANISHED( \(EARLIER\))? ([\d:,]+)$/.exec(line)
    if (vanished !== null) {
      if (vanished[1] === undefined) this.#vanished(line, numbersOf(vanished[2] as string), rules)
      return
    }
    const search = /^\* SEARCH((?: \d+)*)(?: \(MODSEQ \d+\))?$/.exec(line)
    if (search !== null && rules.numbersFixed === true) this.#searched(line, (search[1] as string).trim())
    const code = /^\* OK \[(UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ) (\d+)\]/.exec(line)
    if (code !== null) this.#code(line, code[1] as string, Number(code[2]))
  }

  #forget(): void {
    this.messages = []
    this.uidValidity = 0
    this.uidNext = 0
    this.highestModseq = 0
  }

  #code(line: string, name: string, value: number): void {
    const before = this.#selection?.before
    if (name === 'UIDVALIDITY') this.uidValidity = value
    else if (name === 'UIDNEXT') {
      this.uidNext = value
      if (value <= (before?.get(this.uidValidity)?.uid ?? 0)) refuse(line, 'a UID at or above it has been given out')
    } else {
      this.highestModseq = value
      if (value < (before?.get(this.uidValidity)?.modseq ?? 0)) refuse(line, 'a higher MODSEQ has been told before')
    }
  }

  #exists(line: string, count: number): void {
    if (count < this.messages.length) refuse(line, `takes messages away from ${this.messages.length}`)
    while (this.messages.length < count) this.messages.push({})
  }

  #expunge(line: string, number: number, rules: AnswerRules): void {
    if (this.vanishing) refuse(line, 'EXPUNGE after ENABLE QRESYNC')
    if (rules.numbersFixed === true) refuse(line, 'EXPUNGE during FETCH, STORE or SEARCH')
    if (number < 1 || number > this.messages.length) refuse(line, `there are ${this.messages.length} messages`)
    const [gone] = this.messages.splice(number - 1, 1)
    if (gone?.uid !== undefined) this.#lore.of(this.uidValidity).gone.set(gone.uid, this.#lore.tick())
  }

  #vanished(line: string, uids: readonly number[], rules: AnswerRules): void {
    if (!this.vanishing) refuse(line, 'VANISHED without ENABLE QRESYNC')
    if (rules.numbersFixed === true) refuse(line, 'VANISHED during FETCH, STORE or SEARCH')
    for (const uid of uids) {
      let at = this.messages.findIndex((message) => message.uid === uid)
      // One whose UID was not asked for yet, after the last one that is lower.
      if (at === -1) {
        const lower = this.messages.findLastIndex((message) => (message.uid ?? uid) < uid)
        at = this.messages[lower + 1] !== undefined && this.messages[lower + 1]?.uid === undefined ? lower + 1 : -1
      }
      if (at === -1) refuse(line, `UID ${uid} is not known`)
      this.messages.splice(at, 1)
      this.#lore.of(this.uidValidity).gone.set(uid, this.#lore.tick())
    }
  }

  #searched(line: string, numbers: string): void {
    for (const number of numbers.split(' ').filter(Boolean)) {
      if (Number(number) > this.messages.length) refuse(line, `there are ${this.messages.length} messages`)
    }
  }

  #fetch(line: string, number: number, items: string): void {
    const message = this.messages[number - 1]
    if (message === undefined) refuse(line, `there are ${this.messages.length} messages`)
    const uid = /\bUID (\d+)/.exec(items)?.[1]
    if (uid !== undefined) this.#learnUid(line, number, message, Number(uid))
    const modseq = /\bMODSEQ \((\d+)\)/.exec(items)?.[1]
    if (modseq !== undefined) this.#learnModseq(line, message, Number(modseq))
    const flags = /\bFLAGS \(([^)]*)\)/.exec(items)?.[1]
    if (flags === undefined) return
    message.flags = sorted(flags)
    if (modseq !== undefined && message.uid !== undefined)
      this.#learnFlags(line, message.uid, Number(modseq), message.flags)
  }

  #learnUid(line: string, number: number, message: BelievedMessage, uid: number): void {
    if (message.uid === uid) return
    if (message.uid !== undefined) refuse(line, `message ${number} was UID ${message.uid}`)
    const known = this.#lore.of(this.uidValidity)
    const before = this.messages.slice(0, number - 1).findLast((other) => other.uid !== undefined)?.uid ?? 0
    const after = this.messages.slice(number).find((other) => other.uid !== undefined)?.uid ?? Number.POSITIVE_INFINITY
    if (uid <= before || uid >= after) refuse(line, `UIDs do not rise: between ${before} and ${after}`)
    const goneAt = known.gone.get(uid)
    if (goneAt !== undefined && goneAt < (this.#selection?.sentAt ?? 0)) refuse(line, 'this UID was gone before SELECT')
    message.uid = uid
    known.highestUid = Math.max(known.highestUid, uid)
  }

  #learnModseq(line: string, message: BelievedMessage, modseq: number): void {
    if (modseq < (message.modseq ?? 0)) refuse(line, `MODSEQ was ${message.modseq}`)
    message.modseq = modseq
    const known = this.#lore.of(this.uidValidity)
    known.highestModseq = Math.max(known.highestModseq, modseq)
  }

  #learnFlags(line: string, uid: number, modseq: number, flags: readonly string[]): void {
    const known = this.#lore.of(this.uidValidity)
    const text = flags.join(' ')
    const told = known.flags.get(`${uid}/${modseq}`)
    if (told !== undefined && told !== text) refuse(line, `another session was told (${told}) for the same MODSEQ`)
    known.flags.set(`${uid}/${modseq}`, text)
  }
}

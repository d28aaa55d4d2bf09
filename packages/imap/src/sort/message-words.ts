// What sorting and threading look at of a message, drawn from its index once and kept: a message's words never change.
// Bounded; the words that were not asked for in the longest time go first.
import type { EnvelopeAddress, MessageIndex } from '@skein/mail'
import { collationKey } from './collation-key.ts'
import { baseSubject } from './base-subject.ts'

/** Texts are collation keys: `<` puts them in order. */
export interface MessageWords {
  /** Base subject (RFC 5256 §2.1). */
  subject: string
  reply: boolean
  /** Sent date in UTC (RFC 5256 §2.2), NaN where there is none. */
  sent: number
  from: string
  to: string
  cc: string
  displayFrom: string
  displayTo: string
  /** The Message-ID ('' where there is none), then what it refers to, oldest first. */
  ids: readonly string[]
}

export type WordName = keyof MessageWords

const readers: { readonly [Name in WordName]: (index: MessageIndex) => MessageWords[Name] } = {
  subject: (index) => collationKey(baseSubject(index.subject).base),
  reply: (index) => baseSubject(index.subject).reply,
  sent: (index) => index.dateMs ?? Number.NaN,
  from: ({ envelope }) => mailboxOf(envelope.from),
  to: ({ envelope }) => mailboxOf(envelope.to),
  cc: ({ envelope }) => mailboxOf(envelope.cc),
  displayFrom: ({ envelope }) => displayOf(envelope.from),
  displayTo: ({ envelope }) => displayOf(envelope.to),
  ids: threadIds,
}

/** RFC 5256 §3: the local part of the first address. */
function mailboxOf([first]: readonly EnvelopeAddress[]): string {
  return collationKey(first?.mailbox ?? '')
}

/** RFC 5957 §3: the name that is shown of the first address, else the address itself. */
function displayOf([first]: readonly EnvelopeAddress[]): string {
  if (first === undefined) return ''
  const name = first.name?.trim() ?? ''
  if (name !== '') return collationKey(name)
  const { mailbox, host } = first
  return collationKey(host === null || host === '' ? (mailbox ?? '') : `${mailbox ?? ''}@${host}`)
}

/** RFC 5256 §3 REFERENCES: References where there are any, else the first of In-Reply-To. */
function threadIds(index: MessageIndex): readonly string[] {
  const { references, inReplyToFrom = references.length } = index
  const parents = inReplyToFrom === 0 ? references.slice(0, 1) : references.slice(0, inReplyToFrom)
  const own = /<([^<> \t]+)>/.exec(index.envelope.messageId ?? '')?.[1] ?? ''
  return [own, ...parents].map(withoutQuotes)
}

/** One spelling for ids that differ in needless quotes only. */
function withoutQuotes(id: string): string {
  return id.includes('"') ? id.replaceAll(/"((?:[^"\\]|\\.)*)"/g, '$1').replaceAll(/\\(.)/g, '$1') : id
}

type Kept<Name extends WordName> = Map<string, MessageWords[Name]>

/** About what an entry costs beside its text. */
const ENTRY_BYTES = 64

function bytesOf(word: MessageWords[WordName]): number {
  if (typeof word === 'string') return ENTRY_BYTES + word.length
  if (typeof word !== 'object') return ENTRY_BYTES
  return word.reduce((bytes, id) => bytes + id.length + 24, ENTRY_BYTES)
}

export class WordCache {
  readonly #bytesMax: number
  /** By account and word; the longest unused first. */
  readonly #tables = new Map<string, { bytes: number; words: Map<string, MessageWords[WordName]> }>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Words of that name by emailId: to be read only. */
  of<Name extends WordName>(accountId: string, name: Name): ReadonlyMap<string, MessageWords[Name]> {
    return this.#table(accountId, name).words as Kept<Name>
  }

  #table(accountId: string, name: WordName) {
    const key = `${accountId} ${name}`
    const table = this.#tables.get(key) ?? { bytes: 0, words: new Map() }
    this.#tables.delete(key)
    this.#tables.set(key, table)
    return table
  }

  /** Draws the word from the index, and keeps it where there is room. */
  read<Name extends WordName>(accountId: string, name: Name, emailId: string, index: MessageIndex): MessageWords[Name] {
    const word = readers[name](index)
    const table = this.#table(accountId, name)
    const bytes = bytesOf(word)
    if (bytes > this.#bytesMax / 8) return word
    while (this.#bytes + bytes > this.#bytesMax) {
      const [oldest] = this.#tables.keys()
      if (oldest === undefined) break
      this.#bytes -= this.#tables.get(oldest)?.bytes ?? 0
      this.#tables.delete(oldest)
      // Nothing else is left to go: what is being read is not kept.
      if (oldest === `${accountId} ${name}`) return word
    }
    if (table.words.has(emailId)) return word
    table.words.set(emailId, word)
    table.bytes += bytes
    this.#bytes += bytes
    return word
  }

  get bytes(): number {
    return this.#bytes
  }
}

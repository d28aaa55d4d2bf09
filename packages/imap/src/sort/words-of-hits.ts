// The words of many messages at hand, from the cache or from their indexes, read by the block.
import type { MessageIndex } from '@skein/mail'
import type { AccountMailboxes, MessageRecord } from '@skein/mailboxes'
import type { Output } from '../output.ts'
import type { MessageWords, WordCache, WordName } from './message-words.ts'

export interface WordGround {
  mailboxes: AccountMailboxes
  words: WordCache
  out: Output
}

/** Columns of words, each in the order of the records; where a message has gone its words are as of an empty one. */
export type WordColumns<Name extends WordName> = { [Each in Name]: MessageWords[Each][] }

const BLOCK = 128

/** As of a message without a header. */
export const noWords: MessageWords = {
  subject: '',
  reply: false,
  sent: Number.NaN,
  from: '',
  to: '',
  cc: '',
  displayFrom: '',
  displayTo: '',
  ids: [''],
}

export async function wordsOf<Name extends WordName>(
  ground: WordGround,
  records: readonly MessageRecord[],
  names: readonly Name[],
): Promise<WordColumns<Name>> {
  const columns = Object.fromEntries(
    names.map((name) => [name, Array.from({ length: records.length })]),
  ) as WordColumns<Name>
  for (let start = 0; start < records.length && names.length > 0; start += BLOCK) {
    const missing = fillFromCache(ground, records, columns, start, names)
    if (missing.length > 0) await fillFromIndexes(ground, records, columns, missing, names)
    const pause = ground.out.breathe()
    if (pause) await pause
  }
  return columns
}

/** @returns places of those that some word is missing of. */
function fillFromCache<Name extends WordName>(
  { mailboxes, words }: WordGround,
  records: readonly MessageRecord[],
  columns: WordColumns<Name>,
  start: number,
  names: readonly Name[],
): number[] {
  const tables = names.map((name) => words.of(mailboxes.accountId, name))
  const missing: number[] = []
  for (let place = start; place < Math.min(start + BLOCK, records.length); place++) {
    const { emailId } = records[place] as MessageRecord
    let complete = true
    for (const [at, name] of names.entries()) {
      const word = tables[at]?.get(emailId)
      if (word === undefined) complete = false
      else columns[name][place] = word
    }
    if (!complete) missing.push(place)
  }
  return missing
}

async function fillFromIndexes<Name extends WordName>(
  { mailboxes, words }: WordGround,
  records: readonly MessageRecord[],
  columns: WordColumns<Name>,
  missing: readonly number[],
  names: readonly Name[],
): Promise<void> {
  const infos = await mailboxes.infos(missing.map((place) => records[place] as MessageRecord))
  for (const [at, place] of missing.entries()) {
    const index = infos[at]?.index as MessageIndex | undefined
    const { emailId } = records[place] as MessageRecord
    for (const name of names) {
      columns[name][place] = index === undefined ? noWords[name] : words.read(mailboxes.accountId, name, emailId, index)
    }
  }
}

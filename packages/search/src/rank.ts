// The messages that speak most of some words: BM25, over all parts of a message, words in the subject counting more.
import type { RankedMessage } from '@skein/mailboxes'
import type { AccountIndex } from './account-index.ts'
import { MASKS } from './letter.ts'
import { eachPosting } from './postings.ts'
import type { Segment } from './segment.ts'
import { eachTerm } from './terms.ts'
import type { VocabularyCache } from './vocabulary.ts'

const SATURATION = 1.2
const LENGTH_WEIGHT = 0.75
const SUBJECT_WEIGHT = 3
const WORDS_MAX = 64

/** Best first. @param words folded. Pauses by `yield`. Undefined where the mailbox is not known. */
export function* rankMessages(
  index: AccountIndex,
  mailbox: string,
  words: string,
  limit: number,
  cache: VocabularyCache,
): Generator<void, RankedMessage[] | undefined> {
  const { number, segments } = index.segmentsFor(mailbox)
  if (number < 0) return undefined
  const wanted = new Set<string>()
  eachTerm(words, (term) => {
    if (wanted.size < WORDS_MAX) wanted.add(term)
  })
  const found: RankedMessage[] = []
  const release = index.hold()
  try {
    const held = [...segments]
    let letters = 0
    let terms = 0
    for (const segment of held) {
      letters += segment.letters
      for (const count of segment.terms) terms += count
    }
    const frequencies = new Map<string, number>()
    for (const segment of held) {
      for (const term of wanted) {
        const postings = yield* postingsOf(segment, term, cache)
        let count = 0
        for (const { bytes } of postings) eachPosting(bytes, 0, bytes.length, () => count++)
        frequencies.set(term, (frequencies.get(term) ?? 0) + count)
      }
    }
    for (const segment of held) {
      const scores = new Float64Array(segment.letters)
      for (const term of wanted) {
        const frequency = frequencies.get(term) ?? 0
        const rarity = Math.log(1 + (letters - frequency + 0.5) / (frequency + 0.5))
        for (const { bytes } of yield* postingsOf(segment, term, cache)) {
          eachPosting(bytes, 0, bytes.length, (letter, mask, count) => {
            const length = ((segment.terms[letter] as number) * letters) / Math.max(1, terms)
            const times = (mask & MASKS.subject) === 0 ? count : count + SUBJECT_WEIGHT
            const worn = SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * length)
            ;(scores[letter] as number) += (rarity * times * (SATURATION + 1)) / (times + worn)
          })
        }
      }
      for (let letter = 0; letter < scores.length; letter++) {
        const score = scores[letter] as number
        if (score > 0 && segment.mailboxes[letter] === number && segment.gone[letter] === 0) {
          found.push({ uid: segment.uids[letter] as number, score })
        }
      }
      yield
    }
  } finally {
    release()
  }
  return found.sort((a, b) => b.score - a.score || b.uid - a.uid).slice(0, limit)
}

function* postingsOf(segment: Segment, term: string, cache: VocabularyCache): Generator<void, { bytes: Buffer }[]> {
  const vocabulary = segment.vocabulary(cache)
  const numbers = yield* vocabulary.find({ text: term, how: 'is' })
  return numbers.map((number) => {
    const [start, end] = vocabulary.postings(number)
    return { bytes: segment.postings(start, end) }
  })
}

// SEARCH=FUZZY (RFC 6203): texts by their words, in any order and without their endings; and how well a message fits.
import type { SearchKey } from './search-key.ts'

/** What a key asks for, from the loosest reading to what was written. */
export type Looseness = 'stems' | 'words' | 'exact'

/** RFC 6203 §4: 1 to 100. */
export const relevancyOf: Readonly<Record<Looseness, number>> = { stems: 40, words: 70, exact: 100 }

type TextKey = Extract<SearchKey, { text: string }>

/** The key with everything under FUZZY read so. */
export function readFuzzy(key: SearchKey, looseness: Looseness): SearchKey {
  switch (key.kind) {
    case 'and':
      return key.fuzzy === undefined
        ? { kind: 'and', keys: key.keys.map((inner) => readFuzzy(inner, looseness)) }
        : loosened(key.fuzzy, looseness)
    case 'or':
      return { kind: 'or', keys: key.keys.map((inner) => readFuzzy(inner, looseness)) }
    case 'not':
      return { kind: 'not', key: readFuzzy(key.key, looseness) }
    default:
      return key
  }
}

/** FUZZY before a key. */
export function fuzzyKey(key: SearchKey): SearchKey {
  return { kind: 'and', keys: [loosened(key, 'stems')], fuzzy: key }
}

function loosened(key: SearchKey, looseness: Looseness): SearchKey {
  switch (key.kind) {
    case 'and':
    case 'or':
      return { kind: key.kind, keys: key.keys.map((inner) => loosened(inner, looseness)) }
    case 'not':
      // What must not be there is not guessed at.
      return key
    case 'subject':
    case 'address':
    case 'header':
    case 'body':
    case 'text':
      return looseness === 'exact' ? key : wordsOf(key, looseness)
    default:
      return key
  }
}

/** More words would only make the search slower. */
const WORDS_MAX = 32

function wordsOf(key: TextKey, looseness: Looseness): SearchKey {
  const words = key.text.match(/[\p{L}\p{N}\p{M}@._-]+/gu) ?? []
  if (words.length === 0) return key
  const texts = words.slice(0, WORDS_MAX).map((word) => (looseness === 'stems' ? stem(word) : word))
  return { kind: 'and', keys: [...new Set(texts)].map((text) => ({ ...key, text })) }
}

/** Without the commonest endings; what is left is looked for within words. */
function stem(word: string): string {
  if (!/^[a-z]{5,}$/i.test(word)) return word
  return word.replace(/(?:ings?|edly|ed|ies|ers?|es|ly|s|e|y)$/i, (ending) =>
    word.length - ending.length >= 4 ? '' : ending,
  )
}

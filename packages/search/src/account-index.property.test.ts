// Whatever the letters and whatever is looked for: the index says what a plain look says, in pieces, merged, reopened.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { foldText, foldedHeaderHas } from '@skein/mail'
import type { TextField, TextQuery } from '@skein/mailboxes'
import { AccountIndex } from './account-index.ts'
import type { LetterTexts } from './letter.ts'
import { eachTerm, probeOf } from './terms.ts'
import { VocabularyCache } from './vocabulary.ts'

const pieces = fc.constantFrom(
  'report',
  'Report',
  'port',
  're',
  'a',
  'x',
  '7',
  '2024-01-02',
  'ann@test.com',
  'foo-bar_baz',
  '.',
  '@',
  '-',
  '_',
  ' ',
  '  ',
  '\n',
  ', ',
  '(',
  '>',
  '!',
  'ß',
  'ẞ',
  'é',
  'e\u0301',
  'Σ',
  'ς',
  'σ',
  'ﬁ',
  'ｆｕｌｌ',
  'ｶﾞ',
  'が',
  'か',
  '会',
  '议',
  '会议',
  '会议纪要',
  '，',
  '。',
  '\u{20000}',
  '\u{20001}',
  '😀',
  '🎉',
  'ไทย',
  '한국어',
  '\u3099',
  '\u200d',
  'q'.repeat(40),
  'z'.repeat(29),
  '\ud800',
  '\u0000',
  'w-'.repeat(40),
  '𝒜𝒷',
  '\u{10428}',
)
const text = fc.array(pieces, { maxLength: 14 }).map((parts) => parts.join(''))

const letterTexts: fc.Arbitrary<LetterTexts> = fc
  .record({ subject: text, from: text, to: text, cc: text, bcc: text, value: text, parts: text, body: text })
  .map(({ value, ...texts }) => {
    const folded = Object.fromEntries(
      Object.entries(texts).map(([name, each]) => [name, foldText(each).toWellFormed()]),
    )
    const header = foldText(
      `Subject: ${texts.subject}\nX-Long-Name: ${value}`.replaceAll(/\n(?!X-)/g, ' '),
    ).toWellFormed()
    return { ...folded, header, machine: foldText('Dkim-Signature: seal report').toWellFormed() } as LetterTexts
  })

function plainly(texts: LetterTexts, { field, name, text: wanted }: TextQuery): boolean {
  if (field === 'text') return [texts.header, texts.parts, texts.body].some((each) => each.includes(wanted))
  if (field === 'header') {
    return [texts.header, texts.machine].some((each) => foldedHeaderHas(each, foldText(name ?? ''), wanted))
  }
  return texts[field].includes(wanted)
}

const fields: readonly TextField[] = ['text', 'body', 'subject', 'from', 'to', 'cc', 'bcc', 'header']

function ended<Value>(steps: Generator<unknown, Value>): Value {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** Parts of what is there, and what may be nowhere. */
function wantedIn(texts: readonly LetterTexts[]): fc.Arbitrary<TextQuery> {
  const part = fc
    .record({ letter: fc.nat(), field: fc.nat(), start: fc.nat(), length: fc.integer({ min: 1, max: 40 }) })
    .map(({ letter, field, start, length }) => {
      const from = Object.values(texts[letter % texts.length] as LetterTexts)[field % 8] as string
      return from
        .slice(start % (from.length + 1))
        .slice(0, length)
        .toWellFormed()
    })
  const any = fc.oneof(
    { weight: 4, arbitrary: part },
    { weight: 1, arbitrary: text.map((each) => foldText(each).toWellFormed()) },
  )
  const names = fc.constantFrom('subject', 'x-long-name', 'x-long', 'none', 'dkim-signature')
  return fc.record({ field: fc.constantFrom(...fields), name: names, text: any })
}

test('the index finds what a plain look finds', () => {
  const letters = fc.array(letterTexts, { minLength: 1, maxLength: 25 })
  fc.assert(
    fc.property(
      letters.chain((texts) =>
        fc.tuple(
          fc.constant(texts),
          fc.array(wantedIn(texts), { minLength: 10, maxLength: 20 }),
          fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
        ),
      ),
      ([texts, queries, dice]) => {
        const directory = mkdtempSync(join(tmpdir(), 'skein-index-'))
        const cache = new VocabularyCache(1024)
        let index = new AccountIndex(directory, cache)
        try {
          const gone = new Set<number>()
          for (let at = 0; at < texts.length; at++) {
            index.add('inbox', 1, at + 1, texts[at] as LetterTexts)
            const roll = dice.next().value ?? 0
            if (roll < 3) ended(index.flush())
            else if (roll === 3) {
              index.remove('inbox', new Set([at]))
              gone.add(at)
            } else if (roll < 6 && index.wantsMerge) ended(index.merge())
            else if (roll === 6) {
              // As after a crash: what was not written is given again.
              index.close()
              index = new AccountIndex(directory, cache)
              at = index.coveredUid('inbox', 1) - 1
              index.remove('inbox', gone)
            } else if (roll === 7) {
              ended(index.flush())
              index.close()
              index = new AccountIndex(directory, cache)
            }
          }
          index.remove('inbox', gone)
          for (const query of queries) {
            const expected = texts.flatMap((each, at) => (!gone.has(at + 1) && plainly(each, query) ? [at + 1] : []))
            const found = ended(index.find('inbox', [query]))
            assert.deepEqual([...(found?.hits[0] ?? [])], expected, JSON.stringify(query))
            assert.equal(found?.unsure.length, 0)
          }
          ended(index.flush())
          while (index.wantsMerge) ended(index.merge())
          const [found, all] = [ended(index.find('inbox', queries)), queries]
          for (const [which, query] of all.entries()) {
            const expected = texts.flatMap((each, at) => (!gone.has(at + 1) && plainly(each, query) ? [at + 1] : []))
            assert.deepEqual([...(found?.hits[which] ?? [])], expected, `merged: ${JSON.stringify(query)}`)
          }
        } finally {
          index.close()
          rmSync(directory, { recursive: true })
        }
      },
    ),
    { numRuns: 150 },
  )
})

test('a part of a text meets its own demands in the terms of the text', () => {
  fc.assert(
    fc.property(text, fc.nat(), fc.integer({ min: 1, max: 60 }), (raw, start, length) => {
      const whole = foldText(raw).toWellFormed()
      const wanted = whole.slice(start % (whole.length + 1)).slice(0, length)
      if (!wanted.isWellFormed()) return
      const terms: string[] = []
      eachTerm(whole, (term) => terms.push(term))
      for (const { text: part, how } of probeOf(wanted).demands) {
        const met = terms.some((term) =>
          how === 'is'
            ? term === part
            : how === 'starts'
              ? term.startsWith(part)
              : how === 'ends'
                ? term.endsWith(part)
                : term.includes(part),
        )
        assert.ok(met, `${how} ${part} of ${JSON.stringify(wanted)} in ${JSON.stringify(terms)}`)
      }
    }),
    { numRuns: 3000 },
  )
})

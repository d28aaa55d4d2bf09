// node packages/search/test/bench.ts [--short] [--copies=N] [count …]: how fast letters are taken in, how much disk they take, how fast they
// are found. Letters of about 3 KB with the headers of the day, English by Zipf's law, a quarter Chinese.
import { copyFileSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { foldText } from '@skein/mail'
import type { TextField } from '@skein/mailboxes'
import { han, letterOf, vocabulary } from './bench-letters.ts'
import { AccountIndex } from '../src/account-index.ts'
import { letterTexts } from '../src/letter-texts.ts'
import { searchLimits } from '../src/limits.ts'
import { readManifest, writeManifest } from '../src/manifest.ts'
import { rankMessages } from '../src/rank.ts'
import { SEGMENT_FILES } from '../src/segment-writer.ts'
import { VocabularyCache } from '../src/vocabulary.ts'

function ended<Value>(steps: Generator<unknown, Value>): Value {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

function diskBytes(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)
}

function copySegments(directory: string): void {
  const manifest = readManifest(directory)
  if (manifest === undefined) return
  const segments = [...manifest.segments]
  for (let copy = 1; copy < copies; copy++) {
    for (const name of segments) {
      const next = String(manifest.next++)
      for (const kind of SEGMENT_FILES)
        copyFileSync(join(directory, `${name}.${kind}`), join(directory, `${next}.${kind}`))
      manifest.segments.push(next)
    }
  }
  writeManifest(directory, manifest)
}

const queries: [string, TextField, string][] = [
  ['a rare word', 'text', 'number 777.'],
  ['a word of one letter', 'text', 'number 7777'],
  ['a common word', 'body', vocabulary[3] as string],
  ['a part of words', 'text', 'ingment'],
  ['an address', 'from', `${vocabulary[20]}7@example`],
  ['in no letter', 'text', 'nowhere-to-be-found'],
  ['a phrase', 'body', `${vocabulary[1]} ${vocabulary[2]}`],
  ['a Chinese word of two', 'text', han[503] as string],
  ['one Chinese character', 'text', (han[701] as string).slice(0, 1)],
  ['two Chinese words', 'text', `${han[3]}${han[12]}`],
]

const short = process.argv.includes('--short')
/** `--copies=N`: the segments are there N times, for the size of a mailbox that would take long to make. */
const copies = Number(process.argv.find((each) => each.startsWith('--copies='))?.slice(9) ?? 1)
const counts = process.argv
  .slice(2)
  .map(Number)
  .filter((count) => count > 0)
for (const count of counts.length > 0 ? counts : [10_000, 100_000]) {
  const directory = mkdtempSync(join(tmpdir(), 'skein-search-bench-'))
  try {
    const cache = new VocabularyCache(searchLimits.vocabularyBytesMax)
    let index = new AccountIndex(directory, cache)
    let bytes = 0
    let addMs = 0
    let mergeMs = 0
    let slowestMs = 0
    const cpuBefore = process.cpuUsage().user
    for (let number = 1; number <= count; number++) {
      const letter = letterOf(number, short)
      bytes += letter.length
      const startMs = performance.now()
      let sliceMs = startMs
      const texts = await letterTexts(letter, true)
      index.add('inbox', 1, number, texts)
      if (index.isFull) {
        for (const _ of index.flush()) {
          slowestMs = Math.max(slowestMs, performance.now() - sliceMs)
          sliceMs = performance.now()
        }
      }
      const tookMs = performance.now() - startMs
      addMs += tookMs
      if (number % 1000 > 0) continue
      const mergeStartMs = performance.now()
      while (index.wantsMerge) ended(index.merge())
      mergeMs += performance.now() - mergeStartMs
    }
    ended(index.flush())
    const cpuMs = (process.cpuUsage().user - cpuBefore) / 1000
    const disk = diskBytes(directory)
    if (copies > 1) {
      index.close()
      copySegments(directory)
      index = new AccountIndex(directory, cache)
      console.log(`${count * copies} letters, the same ${copies} times`)
    }
    const rate = (ms: number) => Math.round((count * 1000) / ms)
    console.log(`${count} letters, ${(bytes / count / 1024).toFixed(1)} KB each`)
    console.log(
      `  taken in: ${rate(addMs)}/s; with merging ${rate(addMs + mergeMs)}/s; longest step ${slowestMs.toFixed(0)} ms; ${(cpuMs / count).toFixed(2)} ms of a processor each, making the letter too`,
    )
    console.log(`  on disk: ${Math.round(disk / count)} bytes a letter, ${((disk / bytes) * 100).toFixed(0)} %`)
    const memory = process.memoryUsage()
    console.log(`  memory: ${Math.round(memory.rss / 2 ** 20)} MiB resident`)
    for (const [what, field, text] of queries) {
      const times: number[] = []
      let hits = 0
      for (let round = 0; round < 5; round++) {
        const startMs = performance.now()
        hits = ended(index.find('inbox', [{ field, text: foldText(text) }]))?.hits[0]?.length ?? 0
        times.push(performance.now() - startMs)
      }
      const [first = 0] = times
      times.sort((a, b) => a - b)
      console.log(`  ${what}: first ${first.toFixed(1)} ms, median ${times[2]?.toFixed(1)} ms, ${hits} found`)
    }
    const startMs = performance.now()
    ended(rankMessages(index, 'inbox', foldText(`${vocabulary[30]} ${vocabulary[3000]}`), 50, cache))
    console.log(`  best 50 for two words: ${(performance.now() - startMs).toFixed(1)} ms`)
    index.close()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

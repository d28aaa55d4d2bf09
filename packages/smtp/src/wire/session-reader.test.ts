import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { SessionReader } from './session-reader.ts'

const settings = { commandLineBytesMax: 20, commandsPerTurnMax: 3, bareLineEnds: 'refuse' as const }

interface Run {
  seen: string[]
  /** Largest number of commands running at once. */
  atOnce: number
}

/** `DATA` starts a message; commands that begin with `A` answer later. */
async function run(
  chunks: readonly string[],
  changes: Partial<typeof settings> | { bareLineEnds: 'normalise' } = {},
): Promise<Run> {
  const seen: string[] = []
  let running = 0
  let atOnce = 0
  const reader = new SessionReader(
    { ...settings, ...changes },
    {
      command(line, resume) {
        const text = line.toString('latin1')
        seen.push(text)
        running += 1
        atOnce = Math.max(atOnce, running)
        const done = () => {
          running -= 1
          resume()
        }
        if (text === 'DATA') {
          const pieces: Buffer[] = []
          let fault: string | null = null
          reader.startMessage({
            take: (more, data) => {
              fault = data.fault
              for (const piece of more) pieces.push(Buffer.from(piece))
              return more.length > 1 ? turn() : undefined
            },
            async end() {
              await turn()
              // Of what is refused nobody looks at the bytes.
              seen.push(fault ?? `<${Buffer.concat(pieces).toString('latin1')}>`)
            },
          })
        }
        if (text.startsWith('A')) setImmediate(done)
        else done()
      },
      badLine(fault, resume) {
        seen.push(fault)
        setImmediate(resume)
      },
      pause() {},
      end: () => seen.push('end'),
    },
  )
  for (const chunk of chunks) if (chunk !== '') reader.write(Buffer.from(chunk, 'latin1'))
  reader.end()
  await new Promise((resolve) => reader.once('finish', resolve))
  return { seen, atOnce }
}

test('commands come one at a time, in order, whether they answer now or later', async () => {
  const { seen, atOnce } = await run(['one\r\nAsync\r\ntwo\r\nA\r\nA\r\nthree\r\nfour\r\nfive\r\nsix\r\n'])
  assert.deepEqual(seen, ['one', 'Async', 'two', 'A', 'A', 'three', 'four', 'five', 'six', 'end'])
  assert.equal(atOnce, 1)
})

test('a message goes to its sink, and commands go on after it', async () => {
  const { seen } = await run(['DATA\r\nx\r\n..y\r\n.\r\nNOOP\r\nDATA\r\n.\r\nQUIT\r\n'])
  assert.deepEqual(seen, ['DATA', '<x\r\n.y\r\n>', 'NOOP', 'DATA', '<>', 'QUIT', 'end'])
})

test('over-long lines are told once and skipped; the limit itself is fine', async () => {
  const { seen } = await run([
    `${'x'.repeat(19)}\r\n`,
    'y'.repeat(500),
    'y'.repeat(500),
    '\r\nNOOP\r\n',
    'z'.repeat(40),
  ])
  assert.deepEqual(seen, ['x'.repeat(19), 'line-too-long', 'NOOP', 'end'])
})

test('badly ended lines are told, or taken where that is the setting', async () => {
  assert.deepEqual((await run(['a\nb\rc\r\nd\0\r\n\n'])).seen, [...Array(4).fill('bare-line-end'), 'end'])
  assert.deepEqual((await run(['a\nb\r\n\n'], { bareLineEnds: 'normalise' })).seen, ['a', 'b', '', 'end'])
})

test('an unfinished command at the end is not run', async () => {
  assert.deepEqual((await run(['NOOP\r\nQUI'])).seen, ['NOOP', 'end'])
})

test('property: any chunking gives the same', async () => {
  const word = fc.constantFrom('a', 'A', '\r\n', '\n', 'DATA\r\n', 'x\r\n.\r\n', '.\r\n', 'y'.repeat(30), '\r', '..')
  const rule = fc.asyncProperty(
    fc.array(word, { maxLength: 15 }),
    fc.array(fc.nat(80), { maxLength: 8 }),
    async (words, at) => {
      const text = words.join('')
      const offsets = [0, ...at.filter((offset) => offset < text.length).toSorted((a, b) => a - b), text.length]
      const chunks = offsets.slice(1).map((end, i) => text.slice(offsets[i], end))
      assert.deepEqual((await run(chunks)).seen, (await run([text])).seen)
    },
  )
  await fc.assert(rule, { numRuns: 500 })
})

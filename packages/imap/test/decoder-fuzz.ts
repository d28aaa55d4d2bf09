// Fuzzes the decoder and every command's parser in this process: `node decoder-fuzz.ts SEED SECONDS`. Says where it is once a second
// (who started it ends it when it falls silent); ends with code 1 and the case on stderr when something throws or takes too long.
import { writeSync } from 'node:fs'
import { chunked, createSeededRandom, fuzzImap } from '@skein/testkit'
import type { SeededRandom } from '@skein/testkit'
import { findCommand } from '../src/commands/index.ts'
import { CommandDecoder } from '../src/wire/command-decoder.ts'
import { Cursor } from '../src/wire/cursor.ts'
import type { CommandPart } from '../src/wire/literal.ts'
import { SyntaxFault } from '../src/wire/syntax-error.ts'

const caseCpuMsMax = 250
const limits = { commandLineBytesMax: 16 * 1024, literalsPerCommandMax: 20 }
const nowhere = Promise.resolve({ segment: 0, offset: 0, length: 0 })

/** @returns commands that parsed */
function parse(parts: readonly CommandPart[], utf8: boolean): number {
  try {
    const cursor = new Cursor(parts, { nestingDepthMax: 50, utf8 })
    cursor.tag()
    cursor.space()
    const command = findCommand(cursor)
    if (command === undefined) return 0
    command.parse(cursor)
    cursor.end()
    return 1
  } catch (error) {
    if (error instanceof SyntaxFault) return 0
    throw error
  }
}

function decode(random: SeededRandom, chunks: readonly Buffer[]): { commands: number; parsed: number } {
  const decoder = new CommandDecoder(limits)
  const utf8 = random.chance(0.5)
  const count = { commands: 0, parsed: 0 }
  let streamed = 0
  for (const chunk of chunks) {
    decoder.push(chunk)
    for (let event = decoder.next(); event !== undefined; event = decoder.next()) {
      if (event.kind === 'literal')
        random.pick([() => decoder.hold(), () => decoder.stream(), () => decoder.refuse()])()
      else if (event.kind === 'data') {
        streamed += event.chunk.length
        if (event.last) decoder.stored({ kind: 'stored', length: streamed, blob: nowhere, bytes: undefined })
      } else if (event.kind === 'command') {
        count.commands += 1
        count.parsed += parse(event.parts, utf8)
      }
    }
    if (decoder.bufferedBytes > chunk.length) throw new Error(`${decoder.bufferedBytes} bytes are left unread`)
  }
  return count
}

const [seed = '1', seconds = '10'] = process.argv.slice(2)
const end = performance.now() + Number(seconds) * 1000
const total = { cases: 0, commands: 0, parsed: 0, slowestMs: 0 }
let said = performance.now()

while (performance.now() < end) {
  const name = `${seed}/${total.cases}`
  const random = createSeededRandom(name)
  const bytes = random.chance(0.1)
    ? Buffer.from(random.bytes(random.between(1, 2000)))
    : fuzzImap(random, random.between(1, 12))
  const before = process.cpuUsage()
  try {
    const { commands, parsed } = decode(random, chunked(random, bytes))
    total.commands += commands
    total.parsed += parsed
    const { user, system } = process.cpuUsage(before)
    const ms = (user + system) / 1000
    total.slowestMs = Math.max(total.slowestMs, ms)
    if (ms > caseCpuMsMax) throw new Error(`it took ${ms} ms`)
  } catch (error) {
    process.stderr.write(
      `case ${name}: ${error instanceof Error ? error.stack : String(error)}\n${JSON.stringify(bytes.toString('latin1'))}\n`,
    )
    process.exit(1)
  }
  total.cases += 1
  if (performance.now() - said > 1000) {
    said = performance.now()
    writeSync(1, `${JSON.stringify({ ...total, rssBytes: process.memoryUsage.rss() })}\n`)
  }
}
writeSync(1, `${JSON.stringify({ ...total, rssBytes: process.memoryUsage.rss() })}\n`)

// npm run bench -- [--rows a,b] [--seconds N] [--rounds N] [--peer postfix-dovecot] [--json FILE]
// With a peer, both serve in turn, round by round, in this one call; the ratios are what may be quoted.
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { matchesGlob } from 'node:path'
import { parseArgs } from 'node:util'
import { installPackages, missingPeerPackages } from '../system-packages.ts'
import { median } from './job.ts'
import { startPostfixDovecot } from './peer-postfix-dovecot.ts'
import { type Measure, type Row, type TargetRow, rows } from './rows.ts'
import { type Target, startSkein } from './targets.ts'

/** Mailboxes for the deliver rows, and one more that only the fetch row uses. */
const userCount = 21

interface Line extends Measure {
  row: string
  rounds: number[]
  peer?: { name: string; value: number; rounds: number[] }
  /** How many times better than the peer: the median of the rounds' ratios. */
  ratio?: number
}

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string' },
    peer: { type: 'string' },
    json: { type: 'string' },
  },
})
const seconds = Number(options.seconds)
const rounds = Number(options.rounds ?? (options.peer ? '3' : '1'))
if (!(seconds > 0) || !(rounds >= 1)) usage('--seconds and --rounds take a number')
if (options.peer && !['postfix-dovecot', 'postfix-dovecot-mdbox'].includes(options.peer)) {
  usage('--peer takes postfix-dovecot (Maildir) or postfix-dovecot-mdbox')
}

function usage(why: string): never {
  process.stderr.write(`bench: ${why}\nrows: ${rows.map((row) => row.name).join(', ')}\n`)
  process.exit(2)
}

function chosenRows(): readonly Row[] {
  if (options.rows === undefined) return options.peer ? rows.filter((row) => row.kind === 'target') : rows
  const patterns = options.rows.split(',')
  for (const pattern of patterns) {
    if (!rows.some((row) => matchesGlob(row.name, pattern))) usage(`no row is called ${pattern}`)
  }
  return rows.filter((row) => patterns.some((pattern) => matchesGlob(row.name, pattern)))
}

async function startPeer(): Promise<Target> {
  const { missing, why } = installPackages(missingPeerPackages())
  if (missing.length > 0) throw new Error(`the peer needs ${missing.join(' ')}: ${why}`)
  return startPostfixDovecot(options.peer === 'postfix-dovecot-mdbox' ? 'mdbox' : 'maildir', userCount)
}

async function targetLines(row: TargetRow, skein: Target, peer: Target | undefined): Promise<Line[]> {
  const own: Measure[][] = []
  const theirs: Measure[][] = []
  for (let round = 0; round < rounds; round++) {
    if (peer) theirs.push(await row.run(peer, { seconds }))
    own.push(await row.run(skein, { seconds }))
  }
  return (own[0] as Measure[]).map((first, index) => {
    const valuesOf = (measures: Measure[][]) => measures.map((round) => (round[index] as Measure).value)
    const mine = valuesOf(own)
    const line: Line = { ...first, row: row.name, value: median(mine), rounds: mine }
    if (!peer) return line
    const other = valuesOf(theirs)
    const ratios = mine.map((value, round) => {
      const ratio = value / (other[round] as number)
      return first.better === 'more' ? ratio : 1 / ratio
    })
    return { ...line, peer: { name: peer.name, value: median(other), rounds: other }, ratio: median(ratios) }
  })
}

function verdict({ goal, value, ratio, better }: Line): string {
  if (!goal) return ''
  if ('value' in goal) {
    const met = better === 'less' ? value <= goal.value : value >= goal.value
    return `goal ${better === 'less' ? '<=' : '>='} ${goal.value}: ${met ? 'met' : 'missed'}`
  }
  if (ratio === undefined) return `goal ${goal.timesPeer}x peer`
  const share = ratio / goal.timesPeer
  return `goal ${goal.timesPeer}x peer: ${share >= 1 ? 'met' : `${Math.round(share * 100)} % of it`}`
}

function show(line: Line): void {
  const number = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(2))
  const peer = line.peer ? `${number(line.peer.value).padStart(10)}  ${`${number(line.ratio ?? 0)}x`.padStart(8)}` : ''
  process.stdout.write(
    `${line.name.padEnd(34)} ${number(line.value).padStart(10)} ${line.unit.padEnd(10)} ${peer}  ${verdict(line)}\n`,
  )
}

const chosen = chosenRows()
const lines: Line[] = []
let failures = 0
let skein: Target | undefined
let peer: Target | undefined
try {
  if (options.peer) peer = await startPeer()
  const head = `${'row'.padEnd(34)} ${'Skein'.padStart(10)} ${'unit'.padEnd(10)}`
  process.stdout.write(`${head} ${peer ? `${'peer'.padStart(10)}  ${'ratio'.padStart(8)}` : ''}\n`)
  for (const row of chosen) {
    try {
      let found: Line[]
      if (row.kind === 'own') {
        found = (await row.run({ seconds })).map((measure) => ({ ...measure, row: row.name, rounds: [measure.value] }))
      } else {
        skein ??= await startSkein(userCount)
        found = await targetLines(row, skein, peer)
      }
      for (const line of found) show(line)
      lines.push(...found)
    } catch (error) {
      failures += 1
      process.stdout.write(`${row.name.padEnd(34)} failed: ${error instanceof Error ? error.message : String(error)}\n`)
    }
  }
} finally {
  await skein?.stop()
  await peer?.stop()
}
if (options.json) {
  const machine = { processors: cpus().length, model: cpus()[0]?.model ?? '', node: process.version }
  const document = { at: new Date().toISOString(), machine, seconds, rounds, peer: peer?.name ?? null, lines }
  writeFileSync(options.json, `${JSON.stringify(document, null, 2)}\n`)
}
process.exitCode = failures > 0 ? 1 : 0

// npm run bench -- [--rows a,b] [--seconds N] [--rounds N] [--peer dovecot|postfix-dovecot] [--json FILE]
// With a peer, both serve in turn, round by round, in this one call; the ratios are what may be quoted.
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { matchesGlob } from 'node:path'
import { parseArgs } from 'node:util'
import { installPackages, missingPeerPackages } from '../system-packages.ts'
import { median } from './job.ts'
import { startDovecot } from './peer-dovecot.ts'
import { startPostfixDovecot } from './peer-postfix-dovecot.ts'
import type { MailboxRow, Measure, Row, TargetRow } from './row.ts'
import { rows } from './rows.ts'
import { type MailboxTarget, type Target, startSkein } from './targets.ts'

/** Mailboxes for the deliver rows, and one more that only the fetch row uses. */
const userCount = 21

type PeerChoice = { kind: 'target'; start(): Promise<Target> } | { kind: 'mailbox'; start(): Promise<MailboxTarget> }

type Peer = { kind: 'target'; server: Target } | { kind: 'mailbox'; server: MailboxTarget }

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

/** Dovecot alone is asked mailbox work, with Postfix before it deliveries. */
const peers: Record<string, PeerChoice> = {
  dovecot: { kind: 'mailbox', start: () => startDovecot('maildir', userCount) },
  'dovecot-mdbox': { kind: 'mailbox', start: () => startDovecot('mdbox', userCount) },
  'postfix-dovecot': { kind: 'target', start: () => startPostfixDovecot('maildir', userCount) },
  'postfix-dovecot-mdbox': { kind: 'target', start: () => startPostfixDovecot('mdbox', userCount) },
}
const peerChoice = options.peer === undefined ? undefined : peers[options.peer]
if (options.peer !== undefined && !peerChoice) usage(`--peer takes ${Object.keys(peers).join(', ')}`)

function usage(why: string): never {
  process.stderr.write(`bench: ${why}\nrows: ${rows.map((row) => row.name).join(', ')}\n`)
  process.exit(2)
}

function chosenRows(): readonly Row[] {
  if (options.rows === undefined) return peerChoice ? rows.filter((row) => row.kind === peerChoice.kind) : rows
  const patterns = options.rows.split(',')
  for (const pattern of patterns) {
    if (!rows.some((row) => matchesGlob(row.name, pattern))) usage(`no row is called ${pattern}`)
  }
  return rows.filter((row) => patterns.some((pattern) => matchesGlob(row.name, pattern)))
}

async function startPeer(choice: PeerChoice): Promise<Peer> {
  const { missing, why } = installPackages(missingPeerPackages())
  if (missing.length > 0) throw new Error(`the peer needs ${missing.join(' ')}: ${why}`)
  return choice.kind === 'target'
    ? { kind: 'target', server: await choice.start() }
    : { kind: 'mailbox', server: await choice.start() }
}

/** One round of a row with whoever can be asked it. */
function round(row: TargetRow | MailboxRow, server: Target & MailboxTarget): Promise<Measure[]> {
  return row.kind === 'target' ? row.run(server, { seconds }) : row.run(server, { seconds })
}

function peerRound(row: TargetRow | MailboxRow, asked: Peer): Promise<Measure[]> {
  if (row.kind === 'target' && asked.kind === 'target') return row.run(asked.server, { seconds })
  if (row.kind === 'mailbox' && asked.kind === 'mailbox') return row.run(asked.server, { seconds })
  throw new Error(`${asked.server.name} can't be asked this row`)
}

async function targetLines(
  row: TargetRow | MailboxRow,
  skein: Target & MailboxTarget,
  peer: Peer | undefined,
): Promise<Line[]> {
  const own: Measure[][] = []
  const theirs: Measure[][] = []
  for (let number = 0; number < rounds; number++) {
    if (peer) theirs.push(await peerRound(row, peer))
    own.push(await round(row, skein))
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
    return { ...line, peer: { name: peer.server.name, value: median(other), rounds: other }, ratio: median(ratios) }
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
let skein: (Target & MailboxTarget) | undefined
let peer: Peer | undefined
try {
  if (peerChoice) peer = await startPeer(peerChoice)
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
  await peer?.server.stop()
}
if (options.json) {
  const machine = { processors: cpus().length, model: cpus()[0]?.model ?? '', node: process.version }
  const document = { at: new Date().toISOString(), machine, seconds, rounds, peer: peer?.server.name ?? null, lines }
  writeFileSync(options.json, `${JSON.stringify(document, null, 2)}\n`)
}
process.exitCode = failures > 0 ? 1 : 0

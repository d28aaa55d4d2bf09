// The rows of the bench: what each measures, its unit and its goal (design targets), and how it is run.
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { eventually } from '../harness/poll.ts'
import { mustRun } from '../harness/processes.ts'
import { initNode, inviteFrom, joinNode, stopNodes } from '../harness/skein.ts'
import { outsideDestinations } from './destinations.ts'
import { generate } from './generator.ts'
import type { Goal, Measure, OwnRow, Row, TargetRow } from './row.ts'
import type { DeliverJob } from './job.ts'
import { residentMiB } from './process-memory.ts'
import { announceRow, mailboxRows } from './mailbox-rows.ts'
import {
  type Target,
  addUser,
  benchPassword,
  benchSettings,
  endpoint,
  importUsers,
  numberedAddress,
} from './targets.ts'

const sizes = [
  { label: '2k', bytes: 2_000 },
  { label: '10k', bytes: 10_000 },
  { label: '100k', bytes: 100_000 },
]

function deliverJob(target: Target, part: Partial<DeliverJob>, seconds: number): DeliverJob {
  return {
    kind: 'deliver',
    protocol: 'smtp',
    endpoint: target.smtp,
    imap: target.imap,
    users: target.users,
    sessions: 20,
    oneLetterASession: false,
    messageBytes: 10_000,
    seconds,
    lettersMax: 0,
    ...part,
  }
}

const deliverGoals: Record<string, Goal> = {
  'deliver-10k-20': { timesPeer: 10 },
  'deliver-100k-20': { timesPeer: 5 },
}

function deliverRow(label: string, bytes: number, sessions: number): TargetRow {
  const name = `deliver-${label}-${sessions}`
  const goal = deliverGoals[name]
  return {
    kind: 'target',
    name,
    async run(target, { seconds }) {
      const result = await generate(deliverJob(target, { messageBytes: bytes, sessions }, seconds))
      if (result.refused > 0) throw new Error(`${name}: ${target.name} refused ${result.refused} letters`)
      const rate: Measure = { name, unit: 'letters/s', value: result.lettersPerSecond, better: 'more' }
      if (goal) rate.goal = goal
      const latency: Measure = { name: `${name} p50`, unit: 'ms', value: result.latencyMs.p50, better: 'less' }
      if (name === 'deliver-10k-1') latency.goal = { value: 2 }
      const measures = [rate, latency]
      measures.push({ name: `${name} p99`, unit: 'ms', value: result.latencyMs.p99, better: 'less' })
      return measures
    },
  }
}

const oneLetterASession: TargetRow = {
  kind: 'target',
  name: 'deliver-10k-20-one-a-session',
  async run(target, { seconds }) {
    const result = await generate(deliverJob(target, { oneLetterASession: true }, seconds))
    if (result.refused > 0) throw new Error(`${target.name} refused ${result.refused} letters`)
    return [
      { name: this.name, unit: 'letters/s', value: result.lettersPerSecond, better: 'more', goal: { timesPeer: 5 } },
    ]
  },
}

/** Letters of users to themselves, with STARTTLS and AUTH. */
const submission: TargetRow = {
  kind: 'target',
  name: 'submission-10k-20',
  async run(target, { seconds }) {
    const measures: Measure[] = []
    for (const oneLetterASession of [false, true]) {
      const part = { endpoint: target.submission, submission: true, oneLetterASession }
      const result = await generate(deliverJob(target, part, seconds))
      if (result.refused > 0) throw new Error(`${target.name} refused ${result.refused} letters`)
      const name = oneLetterASession ? `${this.name} one a session` : this.name
      const goal = { timesPeer: oneLetterASession ? 3 : 5 }
      measures.push({ name, unit: 'letters/s', value: result.lettersPerSecond, better: 'more', goal })
    }
    return measures
  },
}

/** Through a durable queue to the world: 10 KB to 20 destinations in turn, until the last has arrived. */
const outbound: TargetRow = {
  kind: 'target',
  name: 'outbound-10k-20',
  async run(target, { seconds }) {
    const destinations = await outsideDestinations()
    const result = await generate({
      kind: 'outbound',
      endpoint: target.submission,
      users: target.users,
      destinations,
      sessions: 20,
      messageBytes: 10_000,
      seconds,
    })
    if (result.refused > 0) throw new Error(`${target.name} refused ${result.refused} letters`)
    return [
      { name: this.name, unit: 'letters/s', value: result.lettersPerSecond, better: 'more', goal: { timesPeer: 5 } },
    ]
  },
}

const fetchMessages = 1_000

const fetchRow: TargetRow = {
  kind: 'target',
  name: 'fetch-1000x10k',
  async run(target, { seconds }) {
    // A user that no other row writes to.
    const user = target.users.at(-1) as Target['users'][number]
    const before = await countInbox(target, user)
    if (before < fetchMessages) {
      const lettersMax = fetchMessages - before
      await generate(deliverJob(target, { users: [user], sessions: 1, seconds: 120, lettersMax }, 120))
    }
    const result = await generate({ kind: 'fetch', imap: target.imap, user, seconds })
    return [
      { name: this.name, unit: 'MB/s', value: result.megabytesPerSecond, better: 'more', goal: { timesPeer: 1 } },
      {
        name: `${this.name} one by one`,
        unit: 'messages/s',
        value: result.singlePerSecond,
        better: 'more',
        goal: { timesPeer: 1.5 },
      },
    ]
  },
}

async function countInbox(target: Target, user: { address: string; password: string }): Promise<number> {
  const { ImapClient } = await import('../harness/imap-client.ts')
  const client = await ImapClient.login(target.imap, user.address, user.password)
  const count = await client.count('INBOX')
  await client.logout()
  return count
}

const twoNodes: OwnRow = {
  kind: 'own',
  name: 'two-node-letter',
  async run() {
    const first = await initNode({ name: 'one', domains: ['bench.test'], settings: benchSettings() })
    const started = [first]
    try {
      await first.start()
      const second = await joinNode(await inviteFrom(first), { name: 'two', settings: benchSettings() })
      started.push(second)
      await second.start()
      await addUser(first, 'aaa@bench.test')
      await addUser(second, 'bbb@bench.test')
      await eventually(async () => (await first.ask<unknown[]>('user.list')).length === 2, {
        what: 'both users known on the first node',
      })
      const result = await generate({
        kind: 'notice',
        submission: endpoint(first, 'submission'),
        imap: endpoint(second, 'imap'),
        sender: { address: 'aaa@bench.test', password: benchPassword },
        recipient: { address: 'bbb@bench.test', password: benchPassword },
        messageBytes: 10_000,
        letters: 300,
      })
      return [
        { name: `${this.name} p50`, unit: 'ms', value: result.p50Ms, better: 'less', goal: { value: 15 } },
        { name: `${this.name} p99`, unit: 'ms', value: result.p99Ms, better: 'less', goal: { value: 50 } },
      ]
    } finally {
      await stopNodes(started)
    }
  },
}

interface StatusPart {
  directory: { users: number }
}

function joinRow(label: string, users: number): OwnRow {
  const name = `join-${label}`
  return {
    kind: 'own',
    name,
    async run({ seconds }) {
      const first = await initNode({ name: 'one', domains: ['bench.test'], settings: benchSettings() })
      const started = [first]
      try {
        await first.start()
        const importStarted = performance.now()
        await importUsers(first, users)
        const importSeconds = (performance.now() - importStarted) / 1000
        const token = await inviteFrom(first)
        const joinStarted = performance.now()
        const second = await joinNode(token, { name: 'two', settings: benchSettings() })
        started.push(second)
        await second.start()
        await eventually(async () => (await second.ask<StatusPart>('status')).directory.users === users, {
          what: `${users} users known on the second node`,
          deadlineMs: 600_000,
        })
        const joinSeconds = (performance.now() - joinStarted) / 1000
        const addresses = Array.from({ length: Math.min(users, 100_000) }, (_, index) =>
          numberedAddress(Math.floor((index * users) / Math.min(users, 100_000))),
        )
        const lookups = await generate({
          kind: 'lookup',
          endpoint: endpoint(second, 'smtp'),
          addresses,
          sessions: 4,
          seconds,
        })
        await delay(2_000)
        const restarted = await restartSeconds(second, users)
        const measures: Measure[] = [
          { name: `${name} import`, unit: 's', value: importSeconds, better: 'less' },
          { name, unit: 's', value: joinSeconds, better: 'less' },
          { name: `${name} RCPT look-ups`, unit: '/s', value: lookups.lookupsPerSecond, better: 'more' },
          { name: `${name} restart`, unit: 's', value: restarted, better: 'less' },
          { name: `${name} memory, first`, unit: 'MiB', value: residentMiB(first.process?.pid ?? 0), better: 'less' },
          { name: `${name} memory, joined`, unit: 'MiB', value: residentMiB(second.process?.pid ?? 0), better: 'less' },
        ]
        if (label === '1m') (measures[1] as Measure).goal = { value: 10 }
        await second.stop()
        const probe = await probeLookups(second.data)
        const inUse: Measure = {
          name: `${name} look-ups, 10,000 in use`,
          unit: '/s',
          value: probe.inUsePerSecond,
          better: 'more',
        }
        if (label === '1m') inUse.goal = { value: 1_000_000 }
        measures.push(
          { name: `${name} look-ups, over all`, unit: '/s', value: probe.spreadPerSecond, better: 'more' },
          inUse,
          { name: `${name} look-ups, unknown`, unit: '/s', value: probe.missesPerSecond, better: 'more' },
        )
        return measures
      } finally {
        await stopNodes(started)
      }
    },
  }
}

async function probeLookups(
  data: string,
): Promise<{ spreadPerSecond: number; inUsePerSecond: number; missesPerSecond: number }> {
  const program = fileURLToPath(new URL('./lookup-probe.ts', import.meta.url))
  const { stdout } = await mustRun(process.execPath, [program, data], { timeoutMs: 300_000 })
  return JSON.parse(stdout) as Awaited<ReturnType<typeof probeLookups>>
}

async function restartSeconds(
  node: { restart(): Promise<void>; startMs: number; ask<T>(op: string): Promise<T> },
  users: number,
): Promise<number> {
  await node.restart()
  const seconds = node.startMs / 1000
  const { directory } = await node.ask<StatusPart>('status')
  if (directory.users !== users) throw new Error(`${directory.users} of ${users} users known after a restart`)
  return seconds
}

const idleRow: OwnRow = {
  kind: 'own',
  name: 'idle',
  async run() {
    const node = await initNode({ name: 'idle', domains: ['bench.test'] })
    try {
      const starts: number[] = []
      for (let round = 0; round < 5; round++) {
        await node.restart()
        starts.push(node.startMs / 1000)
      }
      await delay(5_000)
      return [
        {
          name: 'idle start',
          unit: 's',
          value: starts.sort((a, b) => a - b)[2] as number,
          better: 'less',
          goal: { value: 1.5 },
        },
        {
          name: 'idle memory',
          unit: 'MiB',
          value: residentMiB(node.process?.pid ?? 0),
          better: 'less',
          goal: { value: 150 },
        },
      ]
    } finally {
      await stopNodes([node])
    }
  },
}

export const rows: readonly Row[] = [
  ...sizes.flatMap(({ label, bytes }) => [1, 20, 100].map((sessions) => deliverRow(label, bytes, sessions))),
  oneLetterASession,
  submission,
  outbound,
  fetchRow,
  twoNodes,
  joinRow('1k', 1_000),
  joinRow('100k', 100_000),
  joinRow('1m', 1_000_000),
  idleRow,
  ...mailboxRows,
  announceRow,
]

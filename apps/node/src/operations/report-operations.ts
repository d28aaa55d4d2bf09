// report.*: what others say about our domains, and what this mesh has seen of theirs.
import { SkeinError } from '@skein/runtime'
import { z } from 'zod'
import { type NodeParts, type Operation, nameOfNode, operation } from './operation.ts'
import { askOthers } from './ask-others.ts'

const reportsMax = 1_000
const dayMs = 24 * 3600_000

const query = z.strictObject({
  kind: z.enum(['dmarc', 'tls', 'abuse']).optional(),
  domain: z.string().max(255).optional(),
  days: z.int().min(1).max(400).default(30),
})

type Query = z.output<typeof query>

function receivedHere(parts: NodeParts, { kind, domain, days }: Query) {
  return parts.reports.received({ kind, domain, sinceMs: parts.clock.nowMs() - days * dayMs, countMax: reportsMax })
}

/** Rows are left at home: a list names reports, `report show` opens one. */
const localList = operation({
  name: 'report.local',
  params: query,
  fromPeers: true,
  run: async (parts, params) => (await receivedHere(parts, params)).map((report) => ({ ...report, rows: [] })),
})

const list = operation({
  name: 'report.list',
  params: query,
  fromPeers: false,
  async run(parts, params) {
    const { answers, silent } = await askOthers(parts, 'report.local', { ...params })
    const own = {
      node: nameOfNode(parts, parts.ledger.self),
      answer: (await localList.run(parts, params as never, '')) as object[],
    }
    const reports = [own, ...answers].flatMap(({ node, answer }) =>
      (answer as { receivedMs: number }[]).map((report) => ({ ...report, node })),
    )
    reports.sort((a, b) => b.receivedMs - a.receivedMs)
    return { reports: reports.slice(0, reportsMax), silent }
  },
})

const one = z.strictObject({ id: z.string().min(1).max(100) })

const localShow = operation({
  name: 'report.get',
  params: one,
  fromPeers: true,
  run: async (parts, { id }) => (await parts.reports.get(id)) ?? null,
})

const show = operation({
  name: 'report.show',
  params: one,
  fromPeers: false,
  async run(parts, { id }) {
    const here = await parts.reports.get(id)
    if (here) return here
    const { answers } = await askOthers(parts, 'report.get', { id })
    const found = answers.find(({ answer }) => answer !== null)
    if (!found) throw new SkeinError('no-such-report', 'refused', `no node that answers has a report ${id}`)
    return found.answer
  },
})

const localPending = operation({
  name: 'report.collected',
  params: z.strictObject({}),
  fromPeers: true,
  run: async (parts) => (await parts.reports.collected(reportsMax)).map(summaryOf),
})

type Collected = Awaited<ReturnType<NodeParts['reports']['collected']>>[number]

function summaryOf(day: Collected) {
  const { kind, domain } = day
  const counts =
    day.kind === 'tls'
      ? day.policies.flatMap(({ successes, failures }) => [
          [successes, 0] as const,
          ...failures.map(({ sessions }) => [sessions, sessions] as const),
        ])
      : day.rows.map(({ count, dkimAligned, spfAligned }) => [count, dkimAligned || spfAligned ? 0 : count] as const)
  const total = (at: 0 | 1) => counts.reduce((sum, count) => sum + count[at], 0)
  return { kind, day: day.day, domain, count: total(0), failing: total(1) }
}

const pending = operation({
  name: 'report.pending',
  params: z.strictObject({}),
  fromPeers: false,
  async run(parts) {
    const { answers, silent } = await askOthers(parts, 'report.collected', {})
    const own = {
      node: nameOfNode(parts, parts.ledger.self),
      answer: (await parts.reports.collected(reportsMax)).map(summaryOf),
    }
    const days = [own, ...answers].flatMap(({ node, answer }) => (answer as object[]).map((day) => ({ ...day, node })))
    return { days, silent }
  },
})

const send = operation({
  name: 'report.send',
  params: z.strictObject({}),
  fromPeers: false,
  run: (parts) => parts.reports.sendNow(),
})

export const reportOperations: readonly Operation[] = [localList, list, localShow, show, localPending, pending, send]

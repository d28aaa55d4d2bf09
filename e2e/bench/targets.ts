// What the bench measures: a Skein node, or a peer, as endpoints with users. Both run their own processes; neither knows the other.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '../harness/processes.ts'
import { type Settings, type SkeinNode, initNode, ports, stopNodes } from '../harness/skein.ts'
import { outsideDestinations } from './destinations.ts'
import type { Endpoint } from './job.ts'
import { treeMemoryKiB } from './process-memory.ts'

export interface Target {
  name: string
  smtp: Endpoint
  submission: Endpoint
  imap: Endpoint
  users: { address: string; password: string }[]
  stop(): Promise<void>
}

/** A server asked for mailbox work. */
export interface MailboxTarget {
  name: string
  imap: Endpoint
  pop3: Endpoint
  deliver: { protocol: 'smtp' | 'lmtp'; endpoint: Endpoint }
  users: { address: string; password: string }[]
  /** Of the server and all its processes. */
  memoryKiB(): number
  restart(): Promise<void>
  stop(): Promise<void>
}

export const benchPassword = 'a long enough bench password'

/** Settings of a node under load from this machine: no greeting pause and no limit of connections for loopback addresses. */
const loadSettings = {
  smtp: { trusted: ['127.0.0.0/8'] },
  '': { 'log-level': 'warn' },
} as const

export function endpoint(node: SkeinNode, service: keyof typeof ports): Endpoint {
  return { host: node.address, port: ports[service] }
}

export async function startSkein(userCount: number): Promise<Target & MailboxTarget & { node: SkeinNode }> {
  const node = await initNode({ name: 'bench', domains: ['bench.test'], settings: benchSettings() })
  const routes = (await outsideDestinations()).map(
    ({ domain, address, port }) => `"${domain}" = "${address}:${port}"\n`,
  )
  node.appendSettings(`\n[outside.routes]\n${routes.join('')}`)
  await node.start()
  const users = Array.from({ length: userCount }, (_, index) => ({
    address: `u${index}@bench.test`,
    password: benchPassword,
  }))
  for (const user of users) await addUser(node, user.address)
  return {
    name: 'Skein',
    smtp: endpoint(node, 'smtp'),
    submission: endpoint(node, 'submission'),
    imap: endpoint(node, 'imap'),
    pop3: endpoint(node, 'pop3'),
    deliver: { protocol: 'smtp', endpoint: endpoint(node, 'smtp') },
    users,
    node,
    memoryKiB: () => treeMemoryKiB(node.process?.pid ?? 0),
    restart: () => node.restart(),
    stop: () => stopNodes([node]),
  }
}

export function benchSettings(): Settings {
  // As many clients as a row wants come from this machine.
  const imap = { 'connections-per-address-max': 5_000 }
  // A few users send it all.
  const unlimited = {
    'user-letters-per-hour-max': 0,
    'user-recipients-per-hour-max': 0,
    'user-recipients-per-day-max': 0,
  }
  return { smtp: { trusted: [...loadSettings.smtp.trusted], ...unlimited }, imap, '': { ...loadSettings[''] } }
}

export async function addUser(node: SkeinNode, address: string): Promise<void> {
  await node.ask('user.add', { address, password: benchPassword, role: 'user', displayName: '' })
}

/** `skein user import` of u0@bench.test … ; they have no password. */
export async function importUsers(node: SkeinNode, count: number): Promise<void> {
  const file = join(temporaryDirectory('users'), 'users.txt')
  const lines: string[] = []
  for (let index = 0; index < count; index++) lines.push(numberedAddress(index))
  writeFileSync(file, `${lines.join('\n')}\n`)
  await node.must(['user', 'import', file], { timeoutMs: 900_000 })
}

export function numberedAddress(index: number): string {
  return `user${index}@bench.test`
}

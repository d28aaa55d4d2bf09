// The rows of mailbox work: IMAP and POP3 as clients use them all day, against Skein and Dovecot in turn.
import { setTimeout as delay } from 'node:timers/promises'
import { generate } from './generator.ts'
import type { MailboxJob } from './job.ts'
import { idleSessions } from './mailbox-load.ts'
import type { Goal, MailboxRow, Measure, OwnRow } from './row.ts'
import { type MailboxTarget, startSkein } from './targets.ts'

const largeMessages = 100_000

function job(target: MailboxTarget, measure: MailboxJob['measure'], seconds: number, messages = 0): MailboxJob {
  const { imap, pop3, deliver, users } = target
  return { kind: 'mailbox', measure, imap, pop3, deliver, users, seconds, messages }
}

interface Part {
  /** Of the generator's result. */
  key: string
  label: string
  unit: string
  better: Measure['better']
  goal?: Goal
}

const times = (timesPeer: number): Goal => ({ timesPeer })

function row(name: string, parts: readonly Part[], messages = 0): MailboxRow {
  return {
    kind: 'mailbox',
    name,
    async run(target, { seconds }) {
      const result = await generate(job(target, name as MailboxJob['measure'], seconds, messages))
      return measuresOf(name, parts, result)
    },
  }
}

function measuresOf(name: string, parts: readonly Part[], result: Record<string, number>): Measure[] {
  return parts.map(({ key, label, unit, better, goal }) => ({
    name: `${name} ${label}`,
    unit,
    better,
    value: result[key] as number,
    ...(goal ? { goal } : {}),
  }))
}

const coldParts: readonly Part[] = [
  { key: 'selectMs', label: 'SELECT 100k', unit: 'ms', better: 'less', goal: times(1) },
  { key: 'envelope10k', label: 'ENVELOPE 10k', unit: '/s', better: 'more' },
]

/** A start of the server before the measure: nothing of the mailbox is in memory. */
const cold: MailboxRow = {
  kind: 'mailbox',
  name: 'cold',
  async run(target, { seconds }) {
    await target.restart()
    const result = await generate(job(target, 'cold', seconds))
    return measuresOf('cold', coldParts, result)
  },
}

const idleCount = 1_000

const idle: MailboxRow = {
  kind: 'mailbox',
  name: 'idle-sessions',
  async run(target) {
    // So that users' mailboxes are in memory before and after.
    const warm = await idleSessions(target, 50)
    await delay(1_000)
    const before = target.memoryKiB()
    const close = await idleSessions(target, idleCount)
    await delay(3_000)
    const each = (target.memoryKiB() - before) / idleCount
    close()
    warm()
    await delay(1_000)
    return [{ name: 'idle-sessions memory each', unit: 'KiB', value: each, better: 'less', goal: { value: 40 } }]
  },
}

export const mailboxRows: readonly MailboxRow[] = [
  row('login', [
    { key: 'plain', label: 'plain', unit: '/s', better: 'more', goal: times(1.5) },
    { key: 'starttls', label: 'STARTTLS', unit: '/s', better: 'more', goal: times(1.2) },
  ]),
  row(
    'large',
    [
      { key: 'selectMs', label: 'SELECT 100k', unit: 'ms', better: 'less', goal: times(1) },
      { key: 'flagsPerSecond', label: 'UID FETCH FLAGS 100k', unit: '/s', better: 'more', goal: times(1) },
      { key: 'envelope10k', label: 'ENVELOPE 10k', unit: '/s', better: 'more', goal: times(1.5) },
      { key: 'envelopeAll', label: 'ENVELOPE 100k', unit: '/s', better: 'more', goal: times(1.5) },
      { key: 'storePerSecond', label: 'STORE 1:10000 silent', unit: '/s', better: 'more', goal: times(1) },
      { key: 'storeSingle', label: 'STORE one by one', unit: '/s', better: 'more', goal: times(2) },
    ],
    largeMessages,
  ),
  cold,
  row('append', [
    { key: 'single', label: '1 connection', unit: '/s', better: 'more', goal: times(2) },
    { key: 'twenty', label: '20 connections', unit: '/s', better: 'more', goal: times(2) },
    { key: 'multi', label: 'MULTIAPPEND', unit: '/s', better: 'more', goal: times(1.5) },
  ]),
  row('copy', [
    { key: 'copy', label: 'COPY 1000', unit: '/s', better: 'more', goal: times(1) },
    { key: 'expunge', label: 'EXPUNGE 1000', unit: '/s', better: 'more', goal: times(1) },
  ]),
  row('fetch', [
    { key: 'megabytes', label: '1000x10k whole', unit: 'MB/s', better: 'more', goal: times(1) },
    { key: 'single', label: 'one by one', unit: '/s', better: 'more', goal: times(1.5) },
  ]),
  row(
    'search',
    [
      { key: 'textMs', label: 'TEXT in 10k', unit: 'ms', better: 'less', goal: times(20) },
      { key: 'missMs', label: 'TEXT not found', unit: 'ms', better: 'less', goal: times(20) },
    ],
    10_000,
  ),
  row('pop3', [
    { key: 'single', label: 'RETR one by one', unit: 'MB/s', better: 'more', goal: times(2) },
    { key: 'pipelined', label: 'RETR pipelined', unit: 'MB/s', better: 'more', goal: times(2) },
  ]),
  row('notice', [{ key: 'delivery', label: 'delivery to EXISTS p50', unit: 'ms', better: 'less', goal: { value: 5 } }]),
  idle,
]

const announceParts: readonly Part[] = [
  { key: 'some', label: 'to 50 idlers of 1000, p50', unit: 'ms', better: 'less', goal: { value: 10 } },
  { key: 'all', label: 'to 1000 idlers, p50', unit: 'ms', better: 'less', goal: { value: 10 } },
]

/** Not asked of Dovecot, which may not watch as many mailboxes as this under Linux's usual limits and looks every 30 s then. */
export const announceRow: OwnRow = {
  kind: 'own',
  name: 'announce',
  async run({ seconds }) {
    const target = await startSkein(20)
    try {
      const result = await generate(job(target, 'announce', seconds))
      return measuresOf('announce', announceParts, result)
    } finally {
      await target.stop()
    }
  },
}

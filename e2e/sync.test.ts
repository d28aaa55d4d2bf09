// mbsync keeps 10,000 messages the same here and on a node while both sides change: deletions, flags, new letters and new mailboxes
// on each; and takes 10,000 more up from a Maildir. In the end both sides are compared letter by letter.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { fillMailbox } from './harness/fill.ts'
import { type ImapClient, quoted } from './harness/imap-client.ts'
import { mustRun, temporaryDirectory } from './harness/processes.ts'
import { type SkeinNode, ports, startNode } from './harness/skein.ts'
import { Stage, imapOf, letter } from './harness/stage.ts'
import { skipWithout } from './system-packages.ts'

const password = 'wild-geese-42'
const user = 'sync@test.com'
const uploader = 'up@test.com'
/** RFC 3501 §5.1.3, in modified UTF-7: 工作/项目, 新的信, 旧信, 帮助. */
const [work, madeFar, madeNear, help] = ['&XeVPXA-/&mHl27g-', '&ZbB2hE,h-', '&ZedP4Q-', '&Xi5SqQ-'] as const
const inboxLetters = 9_000
const workLetters = 1_000
const syncDeadlineMs = 90_000

function numbered(count: number, from = 0): { text: string; flags: string }[] {
  return Array.from({ length: count }, (_, at) => ({
    text: letter(user, user, `letter ${from + at}`, `第 ${from + at} 封信\r\n`).text,
    flags: (from + at) % 7 === 0 ? '\\Seen' : '',
  }))
}

interface MaildirFile {
  path: string
  flags: string
  text: string
}

function subjectOf(text: string): string | undefined {
  return /^Subject: (.*?)\r?$/m.exec(text)?.[1]
}

/** A letter as both sides must have it: with lines ending in LF, and without the mark by which mbsync finds its copies. */
function contentOf(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(/^X-TUID: .*\n/m, '')
}

/** Subject -> file and flags of everything in a Maildir. */
function maildir(directory: string): Map<string, MaildirFile> {
  const found = new Map<string, MaildirFile>()
  for (const part of ['cur', 'new']) {
    for (const name of readdirSync(join(directory, part))) {
      const path = join(directory, part, name)
      const text = readFileSync(path, 'utf8')
      const wanted = subjectOf(text) ?? name
      assert.ok(!found.has(wanted), `${wanted} is there twice`)
      found.set(wanted, { path, flags: /:2,(\w*)$/.exec(name)?.[1] ?? '', text: contentOf(text) })
    }
  }
  return found
}

interface Letter {
  flags: string
  text: string
}

/** Subject -> flags and content of a mailbox on the server. */
async function remote(client: ImapClient, box: string): Promise<Map<string, Letter>> {
  const found = new Map<string, Letter>()
  if ((await client.select(box)) === 0) return found
  const { untagged } = await client.must('FETCH 1:* (FLAGS BODY.PEEK[])', [], 60_000)
  for (const { text, literals } of untagged) {
    const content = literals[0]?.toString('utf8') ?? ''
    const wanted = subjectOf(content)
    if (wanted === undefined) continue
    assert.ok(!found.has(wanted), `${wanted} is there twice`)
    const flags = /FLAGS \(([^)]*)\)/.exec(text)?.[1] ?? ''
    const letters = { '\\Flagged': 'F', '\\Answered': 'R', '\\Seen': 'S' }
    const short = Object.entries(letters).flatMap(([name, short]) => (flags.includes(name) ? [short] : []))
    found.set(wanted, { flags: short.join(''), text: contentOf(content) })
  }
  return found
}

async function assertSame(node: SkeinNode, account: string, box: string, directory: string): Promise<number> {
  await using client = await imapOf(node, account, password)
  const far = await remote(client, box)
  const near = [...maildir(directory)].map(([wanted, { flags, text }]): [string, Letter] => [
    wanted,
    { flags: flags.replaceAll(/[^FRS]/g, ''), text },
  ])
  const differing = near.filter(([wanted, letter]) => !isDeepStrictEqual(far.get(wanted), letter)).slice(0, 5)
  assert.deepEqual(
    differing.map(([wanted, letter]) => [wanted, letter, far.get(wanted)]),
    [],
  )
  assert.equal(near.length, far.size)
  return far.size
}

interface Sync {
  local: string
  run(): Promise<void>
}

function mbsync(node: SkeinNode, account: string): Sync {
  const directory = temporaryDirectory('mbsync')
  const local = join(directory, 'mail')
  mkdirSync(local)
  const settings = [
    'FSync no',
    'IMAPAccount skein',
    `Host ${node.address}`,
    `Port ${ports.imap}`,
    `User ${account}`,
    `Pass ${password}`,
    'SSLType STARTTLS',
    `CertificateFile ${join(node.data, 'tls/cert.pem')}`,
    '',
    'IMAPStore far',
    'Account skein',
    '',
    'MaildirStore near',
    `Path ${local}/`,
    `Inbox ${local}/INBOX`,
    'SubFolders Verbatim',
    '',
    'Channel all',
    'Far :far:',
    'Near :near:',
    'Patterns *',
    'Create Both',
    'Expunge Both',
    'SyncState *',
    'Sync All',
    '',
  ]
  const rc = join(directory, 'mbsyncrc')
  writeFileSync(rc, settings.join('\n'), { mode: 0o600 })
  const env = { HOME: directory }
  return {
    local,
    run: async () => void (await mustRun('mbsync', ['-c', rc, '-a'], { env, timeoutMs: syncDeadlineMs })),
  }
}

function makeMaildir(directory: string): void {
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(directory, part), { recursive: true })
}

function writeLetters(directory: string, count: number, subject: string): void {
  for (let number = 0; number < count; number++) {
    const { text } = letter(user, user, `${subject} ${number}`, `第 ${number} 封信\r\n`)
    writeFileSync(join(directory, 'new', `${number}.${subject.replaceAll(' ', '-')}`), text.replaceAll('\r\n', '\n'))
  }
}

test('mbsync in both directions', { timeout: 400_000, skip: skipWithout('mbsync') }, async (t) => {
  const stage = new Stage(t)
  const node = await startNode({ name: 'sync', users: { [user]: password, [uploader]: password } })
  stage.add(node)
  const sync = mbsync(node, user)
  const inbox = join(sync.local, 'INBOX')

  await stage.step('10,000 messages down', async () => {
    await using client = await imapOf(node, user, password)
    await client.must(`CREATE "${work}"`)
    await fillMailbox(client, 'INBOX', numbered(inboxLetters))
    await fillMailbox(client, work, numbered(workLetters, inboxLetters))
    await sync.run()
    assert.equal(await assertSame(node, user, 'INBOX', inbox), inboxLetters)
    assert.equal(await assertSame(node, user, work, join(sync.local, work)), workLetters)
  })

  await stage.step('changes on both sides, the same on both sides again', async () => {
    changeNear(sync.local)
    await changeFar(node)
    await sync.run()
    await sync.run()
    assert.equal(await assertSame(node, user, 'INBOX', inbox), inboxLetters - 500 - 400 + 300 + 300)
    assert.equal(await assertSame(node, user, work, join(sync.local, work)), workLetters - 1)
    assert.equal(await assertSame(node, user, madeNear, join(sync.local, madeNear)), 25)
    assert.equal(await assertSame(node, user, madeFar, join(sync.local, madeFar)), 30)
    const near = maildir(inbox)
    assert.equal(near.get('letter 700')?.flags, 'FS')
    assert.equal(near.get('letter 1700')?.flags.includes('F'), true)
    assert.ok(!near.has('letter 250') && !near.has('letter 2100'))
    assert.ok(near.has('written here 7') && near.has('letter 20007'))
  })

  await stage.step('10,000 messages up from a Maildir', async () => {
    const up = mbsync(node, uploader)
    const directory = join(up.local, help)
    makeMaildir(directory)
    writeLetters(directory, 10_000, 'taken along')
    await up.run()
    assert.equal(await assertSame(node, uploader, help, directory), 10_000)
  })
})

/** Letters 0-499 go, 500-999 are marked, 300 are written, a mailbox is made with 25. */
function changeNear(local: string): void {
  const inbox = join(local, 'INBOX')
  const near = maildir(inbox)
  for (let number = 0; number < 500; number++) rmSync((near.get(`letter ${number}`) as MaildirFile).path)
  for (let number = 500; number < 1_000; number++) {
    const { path } = near.get(`letter ${number}`) as MaildirFile
    renameSync(path, join(inbox, 'cur', `${(path.split('/').at(-1) as string).split(':')[0]}:2,FS`))
  }
  writeLetters(inbox, 300, 'written here')
  makeMaildir(join(local, madeNear))
  writeLetters(join(local, madeNear), 25, 'old')
}

/** Letters 1,500-1,999 are marked, 2,000-2,399 go, 300 come, one leaves the Chinese mailbox for a new one where 29 more are. */
async function changeFar(node: SkeinNode): Promise<void> {
  await using client = await imapOf(node, user, password)
  await client.select('INBOX')
  await client.must('STORE 1501:2000 +FLAGS.SILENT (\\Flagged)')
  await client.must('STORE 2001:2400 +FLAGS.SILENT (\\Deleted)')
  await client.must('EXPUNGE')
  await fillMailbox(client, 'INBOX', numbered(300, 20_000))
  await client.must(`CREATE ${quoted(madeFar)}`)
  await client.select(work)
  await client.must(`MOVE 10 ${quoted(madeFar)}`)
  await fillMailbox(client, madeFar, numbered(29, 30_000))
}

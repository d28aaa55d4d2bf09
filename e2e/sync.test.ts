// mbsync keeps 1,000 messages the same here and on a node while both sides change: deletions, flags and new letters on each.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ImapClient } from './harness/imap-client.ts'
import { mustRun, temporaryDirectory } from './harness/processes.ts'
import { type SkeinNode, ports, startNode } from './harness/skein.ts'
import { Stage, imapOf, letter } from './harness/stage.ts'
import { skipWithout } from './system-packages.ts'

const password = 'wild-geese-42'
const user = 'sync@test.com'
/** RFC 3501 §5.1.3: 工作/项目 in modified UTF-7. */
const chineseMailbox = '&XeVPXA-/&mHl27g-'

async function fill(node: SkeinNode, box: string, count: number, from = 0): Promise<void> {
  await using client = await imapOf(node, user, password)
  for (let number = from; number < from + count; number++) {
    await client.must(`APPEND "${box}"`, [Buffer.from(letter(user, user, `letter ${number}`).text)])
  }
}

interface MaildirFile {
  path: string
  flags: string
}

/** Subject -> file and flags of everything in a Maildir. */
function maildir(directory: string): Map<string, MaildirFile> {
  const found = new Map<string, MaildirFile>()
  for (const part of ['cur', 'new']) {
    for (const name of readdirSync(join(directory, part))) {
      const path = join(directory, part, name)
      const wanted = /^Subject: (.*?)\r?$/m.exec(readFileSync(path, 'utf8'))?.[1] ?? name
      assert.ok(!found.has(wanted), `${wanted} is there twice`)
      found.set(wanted, { path, flags: /:2,(\w*)$/.exec(name)?.[1] ?? '' })
    }
  }
  return found
}

/** Subject -> flags of a mailbox on the server. */
async function remote(client: ImapClient, box: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  if ((await client.select(box)) === 0) return found
  const { untagged } = await client.must('FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (Subject)])')
  for (const { text, literals } of untagged) {
    const wanted = /Subject: (.*?)\r?\n/.exec(literals[0]?.toString('utf8') ?? '')?.[1]
    if (wanted === undefined) continue
    assert.ok(!found.has(wanted), `${wanted} is there twice`)
    const flags = /FLAGS \(([^)]*)\)/.exec(text)?.[1] ?? ''
    found.set(wanted, (flags.includes('\\Flagged') ? 'F' : '') + (flags.includes('\\Seen') ? 'S' : ''))
  }
  return found
}

test('mbsync in both directions', { timeout: 240_000, skip: skipWithout('mbsync') }, async (t) => {
  const stage = new Stage(t)
  const node = await startNode({ name: 'sync', users: { [user]: password } })
  stage.add(node)
  await stage.step('1,000 messages down, changes on both sides, the same on both sides again', () => syncBothWays(node))
})

async function syncBothWays(node: SkeinNode): Promise<void> {
  await fill(node, 'INBOX', 950)
  {
    await using client = await imapOf(node, user, password)
    await client.must(`CREATE "${chineseMailbox}"`)
  }
  await fill(node, chineseMailbox, 50, 950)
  const directory = temporaryDirectory('mbsync')
  const local = join(directory, 'mail')
  mkdirSync(local)
  const settings = [
    'IMAPAccount skein',
    `Host ${node.address}`,
    `Port ${ports.imap}`,
    `User ${user}`,
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
  const sync = () => mustRun('mbsync', ['-c', rc, '-a'], { env: { HOME: directory }, timeoutMs: 120_000 })
  await sync()
  const inbox = join(local, 'INBOX')
  assert.equal(maildir(inbox).size, 950)
  assert.equal(maildir(join(local, chineseMailbox)).size, 50)

  // Changes on both sides, different letters each: deletions, flags, new letters.
  const near = maildir(inbox)
  for (let number = 0; number < 10; number++) rmSync((near.get(`letter ${number}`) as MaildirFile).path)
  for (let number = 10; number < 30; number++) {
    const { path } = near.get(`letter ${number}`) as MaildirFile
    renameSync(path, join(inbox, 'cur', `${(path.split('/').at(-1) as string).split(':')[0]}:2,FS`))
  }
  for (let number = 0; number < 15; number++) {
    const { text } = letter(user, user, `written here ${number}`)
    writeFileSync(join(inbox, 'new', `${number}.e2e.local`), text.replaceAll('\r\n', '\n'))
  }
  {
    await using client = await imapOf(node, user, password)
    await client.select('INBOX')
    await client.must('STORE 31:50 +FLAGS.SILENT (\\Flagged)')
    await client.must('STORE 51:60 +FLAGS.SILENT (\\Deleted)')
    await client.must('EXPUNGE')
  }
  await fill(node, 'INBOX', 15, 2_000)
  await sync()
  await sync()

  await using client = await imapOf(node, user, password)
  const far = await remote(client, 'INBOX')
  const nearAfter = new Map([...maildir(inbox)].map(([wanted, { flags }]) => [wanted, flags.replaceAll(/[^FS]/g, '')]))
  assert.deepEqual(nearAfter, far)
  assert.equal(far.size, 950 - 10 - 10 + 15 + 15)
  assert.equal(far.get('letter 15'), 'FS')
  assert.equal(far.get('letter 35'), 'F')
  assert.ok(!far.has('letter 5') && !far.has('letter 55'))
  assert.ok(far.has('written here 7') && far.has('letter 2007'))
}

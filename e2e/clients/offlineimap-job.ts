// offlineimap keeps a Maildir and an account the same while both change.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun } from '../harness/processes.ts'
import { ports } from '../harness/skein.ts'
import { letter } from '../harness/stage.ts'
import { type Job, type Seat, atHome, certificateOf, chinese, homeDirectory, putLetters } from './seat.ts'

function settings(seat: Seat, directory: string): string {
  const fingerprint = new X509Certificate(readFileSync(certificateOf(seat))).fingerprint256.replaceAll(':', '')
  return [
    '[general]',
    'accounts = skein',
    'ui = basic',
    `metadata = ${directory}/state`,
    '[Account skein]',
    'localrepository = near',
    'remoterepository = far',
    'utf8foldernames = yes',
    '[Repository near]',
    'type = Maildir',
    'sep = .',
    `localfolders = ${directory}/mail`,
    '[Repository far]',
    'type = IMAP',
    `remotehost = ${seat.node.address}`,
    `remoteport = ${ports.imaps}`,
    `remoteuser = ${seat.user}`,
    `remotepass = ${seat.password}`,
    'ssl = yes',
    `cert_fingerprint = ${fingerprint.toLowerCase()}`,
    'maxconnections = 2',
    '',
  ].join('\n')
}

function subjectOf(text: string): string {
  return /^Subject: (.*?)\r?$/m.exec(text)?.[1] ?? ''
}

interface Kept {
  path: string
  flags: string
}

function maildir(directory: string): Map<string, Kept> {
  const found = new Map<string, Kept>()
  for (const part of ['cur', 'new']) {
    for (const name of readdirSync(join(directory, part))) {
      const path = join(directory, part, name)
      const subject = subjectOf(readFileSync(path, 'utf8'))
      assert.ok(!found.has(subject), `${subject} is there twice`)
      found.set(subject, { path, flags: (/:2,(\w*)$/.exec(name)?.[1] ?? '').replaceAll(/[^FS]/g, '') })
    }
  }
  return found
}

async function far(seat: Seat, mailbox: string): Promise<Map<string, string>> {
  await using client = await atHome(seat)
  const found = new Map<string, string>()
  if ((await client.select(mailbox)) === 0) return found
  const { untagged } = await client.must('FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (Subject)])')
  for (const { text, literals } of untagged) {
    const flags = /FLAGS \(([^)]*)\)/.exec(text)?.[1]
    const subject = subjectOf(literals[0]?.toString('utf8') ?? '')
    if (flags === undefined) continue
    found.set(subject, (flags.includes('\\Flagged') ? 'F' : '') + (flags.includes('\\Seen') ? 'S' : ''))
  }
  return found
}

async function assertSame(seat: Seat, mailbox: string, directory: string): Promise<Map<string, string>> {
  const there = await far(seat, mailbox)
  const here = new Map([...maildir(directory)].map(([subject, { flags }]) => [subject, flags]))
  assert.deepEqual(here, there)
  return there
}

function numbered(seat: Seat, count: number, word: string): { text: string }[] {
  return Array.from({ length: count }, (_, number) => ({
    text: letter('wang@test.com', seat.user, `${word} ${number}`, `第 ${number} 封\r\n`).text,
  }))
}

export const offlineimapJob: Job = {
  name: 'offlineimap keeps 300 letters the same on both sides, new Chinese mailboxes included',
  programs: ['offlineimap'],
  async run(seat) {
    const project = chinese.project.encoded
    {
      await using client = await atHome(seat)
      await client.must(`CREATE "${project}"`)
    }
    await putLetters(seat, 'INBOX', numbered(seat, 250, 'letter'))
    await putLetters(seat, project, numbered(seat, 50, 'work'))
    const directory = homeDirectory('offlineimap')
    const rc = join(directory, 'offlineimaprc')
    writeFileSync(rc, settings(seat, directory), { mode: 0o600 })
    const env = { HOME: directory, LC_ALL: 'C.UTF-8' }
    const sync = () => mustRun('offlineimap', ['-c', rc, '-o', '-u', 'basic'], { env })
    await sync()
    const inbox = join(directory, 'mail/INBOX')
    const work = join(directory, 'mail', chinese.project.name.replace('/', '.'))
    assert.equal((await assertSame(seat, 'INBOX', inbox)).size, 250)
    assert.equal((await assertSame(seat, project, work)).size, 50)

    changeNear(seat, directory)
    await changeFar(seat)
    await sync()
    await sync()
    const both = await assertSame(seat, 'INBOX', inbox)
    assert.equal(both.size, 250 - 10 - 10 + 5 + 5)
    assert.equal(both.get('letter 25'), 'FS')
    assert.equal(both.get('letter 45'), 'F')
    assert.ok(!both.has('letter 5') && !both.has('letter 65') && both.has('here 4') && both.has('there 4'))
    assert.equal((await assertSame(seat, project, work)).size, 50)
    assert.equal((await assertSame(seat, chinese.old.encoded, join(directory, 'mail', chinese.old.name))).size, 3)
    assert.equal((await assertSame(seat, chinese.help.encoded, join(directory, 'mail', chinese.help.name))).size, 4)
  },
}

function changeNear(seat: Seat, directory: string): void {
  const inbox = join(directory, 'mail/INBOX')
  const near = maildir(inbox)
  for (let number = 0; number < 10; number++) rmSync((near.get(`letter ${number}`) as Kept).path)
  for (let number = 20; number < 30; number++) {
    const { path } = near.get(`letter ${number}`) as Kept
    renameSync(path, join(inbox, 'cur', `${(path.split('/').at(-1) as string).split(':')[0]}:2,FS`))
  }
  const write = (folder: string, letters: { text: string }[]) => {
    for (const [at, { text }] of letters.entries()) {
      writeFileSync(join(folder, 'new', `${at}.e2e.local`), text.replaceAll('\r\n', '\n'))
    }
  }
  write(inbox, numbered(seat, 5, 'here'))
  const old = join(directory, 'mail', chinese.old.name)
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(old, part), { recursive: true })
  write(old, numbered(seat, 3, 'old'))
}

async function changeFar(seat: Seat): Promise<void> {
  await using client = await atHome(seat)
  await client.select('INBOX')
  await client.must('STORE 41:50 +FLAGS.SILENT (\\Flagged)')
  await client.must('STORE 61:70 +FLAGS.SILENT (\\Deleted)')
  await client.must('EXPUNGE')
  await client.must(`CREATE "${chinese.help.encoded}"`)
  await putLetters(seat, 'INBOX', numbered(seat, 5, 'there'))
  await putLetters(seat, chinese.help.encoded, numbered(seat, 4, 'help'))
}

// mbsync: some hundred letters both ways while both sides change. The large one is sync.test.ts.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun } from '../harness/processes.ts'
import { ports } from '../harness/skein.ts'
import { letter } from '../harness/stage.ts'
import { atHome, certificateOf, chinese, homeDirectory, putLetters } from './seat.ts'
import type { Job, Seat } from './seat.ts'

const letters = 300

function settings(seat: Seat, local: string): string {
  const account = ['IMAPAccount skein', `Host ${seat.node.address}`, `Port ${ports.imap}`, `User ${seat.user}`]
  const secrets = [`Pass ${seat.password}`, 'SSLType STARTTLS', `CertificateFile ${certificateOf(seat)}`, '']
  const far = ['IMAPStore far', 'Account skein', '']
  const near = ['MaildirStore near', `Path ${local}/`, `Inbox ${local}/INBOX`, 'SubFolders Verbatim', '']
  const channel = ['Channel all', 'Far :far:', 'Near :near:', 'Patterns *', 'Create Both', 'Expunge Both']
  return ['FSync no', ...account, ...secrets, ...far, ...near, ...channel, 'SyncState *', 'Sync All', ''].join('\n')
}

/** Subject -> path of all letters in a Maildir. */
function near(directory: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const part of ['cur', 'new']) {
    for (const name of readdirSync(join(directory, part))) {
      const path = join(directory, part, name)
      found.set(/^Subject: (.*?)\r?$/m.exec(readFileSync(path, 'utf8'))?.[1] ?? name, path)
    }
  }
  return found
}

async function far(seat: Seat, mailbox: string): Promise<string[]> {
  await using client = await atHome(seat)
  return (await client.select(mailbox)) === 0 ? [] : await client.headerValues('SUBJECT')
}

export const mbsyncJob: Job = {
  name: `mbsync keeps ${letters} letters the same on both sides while both change`,
  programs: ['mbsync'],
  async run(seat) {
    const directory = homeDirectory('mbsync')
    const local = join(directory, 'mail')
    mkdirSync(local)
    writeFileSync(join(directory, 'mbsyncrc'), settings(seat, local), { mode: 0o600 })
    const sync = () =>
      mustRun('mbsync', ['-c', join(directory, 'mbsyncrc'), '-a'], { env: { HOME: directory }, timeoutMs: 90_000 })
    const numbered = (count: number, word: string) =>
      Array.from({ length: count }, (_, at) => ({
        text: letter(seat.user, seat.user, `${word} ${at}`, '你好\r\n').text,
      }))
    await putLetters(seat, 'INBOX', numbered(letters, 'down'))
    await sync()
    const inbox = near(join(local, 'INBOX'))
    assert.equal(inbox.size, letters)
    // Here: 50 go, 50 are flagged, a Chinese mailbox is made with 40 letters. There: 50 others go, 30 come.
    for (let at = 0; at < 50; at++) {
      rmSync(inbox.get(`down ${at}`) as string)
      const flagged = inbox.get(`down ${at + 50}`) as string
      renameSync(flagged, `${flagged.replace('/new/', '/cur/').replace(/:2,.*$/, '')}:2,FS`)
    }
    const old = join(local, chinese.old.encoded)
    for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(old, part), { recursive: true })
    numbered(40, 'up').forEach(({ text }, at) => {
      writeFileSync(join(old, 'new', `${at}.up`), text.replaceAll('\r\n', '\n'))
    })
    {
      await using client = await atHome(seat)
      await client.select('INBOX')
      await client.must('STORE 101:150 +FLAGS.SILENT (\\Deleted)')
      await client.must('EXPUNGE')
    }
    await putLetters(seat, 'INBOX', numbered(30, 'new'))
    await sync()
    await sync()
    const here = [...near(join(local, 'INBOX')).keys()].sort()
    assert.equal(here.length, letters - 50 - 50 + 30)
    assert.deepEqual((await far(seat, 'INBOX')).sort(), here)
    assert.deepEqual((await far(seat, chinese.old.encoded)).sort(), [...near(old).keys()].sort())
    await using client = await atHome(seat)
    await client.select('INBOX')
    const { untagged } = await client.must('SEARCH FLAGGED SEEN')
    assert.equal(untagged[0]?.text.trim().split(' ').length, 2 + 50)
  },
}

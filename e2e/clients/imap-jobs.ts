// curl and imapflow at IMAP: a person's folders, letters and searches; Chinese names and subjects.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ImapFlow } from 'imapflow'
import { simpleParser } from 'mailparser'
import { type CommandResult, mustRun } from '../harness/processes.ts'
import { ports } from '../harness/skein.ts'
import { letter } from '../harness/stage.ts'
import {
  type Job,
  type Seat,
  atHome,
  chinese,
  chineseLetters,
  chineseSubject,
  encodedWord,
  flagsOf,
  homeDirectory,
  putLetters,
} from './seat.ts'

export const curlJob: Job = {
  name: 'curl lists, appends, searches, reads whole and in part, and stores in a Chinese mailbox',
  programs: ['curl'],
  async run(seat) {
    const directory = homeDirectory('curl')
    const eml = join(directory, 'letter.eml')
    const { text } = letter('wang@test.com', seat.user, encodedWord(chineseSubject), '你好，世界。\r\n')
    writeFileSync(eml, text)
    const base = `imaps://${seat.node.address}:${ports.imaps}`
    const curl = (...args: string[]): Promise<CommandResult> => {
      const common = ['--silent', '--show-error', '--insecure', '--max-time', '20']
      return mustRun('curl', [...common, '--user', `${seat.user}:${seat.password}`, ...args])
    }
    const mailbox = encodeURIComponent(chinese.project.encoded)
    await curl(`${base}/`, '-X', `CREATE "${chinese.project.encoded}"`)
    const { stdout: list } = await curl(`${base}/`)
    assert.ok(list.includes(chinese.project.encoded), list)
    for (let count = 0; count < 3; count++) await curl(`${base}/${mailbox}`, '-T', eml)
    const { stdout: found } = await curl(`${base}/${mailbox}?SUBJECT%20${encodeURIComponent('"雁字回时"')}`)
    assert.equal(found.trim(), '* SEARCH 1 2 3')
    const { stdout: whole } = await curl(`${base}/${mailbox};UID=2`)
    assert.equal(whole, text)
    const { stdout: part } = await curl(`${base}/${mailbox};UID=2;SECTION=TEXT`)
    assert.equal(part, '你好，世界。\r\n')
    await curl(`${base}/${mailbox}`, '-X', 'UID STORE 2 +FLAGS (\\Deleted)')
    await curl(`${base}/${mailbox}`, '-X', 'EXPUNGE')
    const { stdout: left } = await curl(`${base}/${mailbox}`, '-X', 'UID SEARCH ALL')
    assert.equal(left.trim(), '* SEARCH 1 3')
    await curl(`${base}/`, '-X', `RENAME "${chinese.project.encoded}" "${chinese.old.encoded}"`)
    await using client = await atHome(seat)
    assert.equal(await client.count(chinese.old.encoded), 2)
  },
}

function imapflow(seat: Seat): ImapFlow {
  return new ImapFlow({
    host: seat.node.address,
    port: ports.imaps,
    secure: true,
    auth: { user: seat.user, pass: seat.password },
    tls: { rejectUnauthorized: false },
    logger: false,
    qresync: true,
  })
}

async function imapflowLetters(client: ImapFlow, seat: Seat): Promise<void> {
  const lock = await client.getMailboxLock('INBOX')
  try {
    const letters = await client.fetchAll('1:*', {
      envelope: true,
      bodyStructure: true,
      flags: true,
      internalDate: true,
    })
    assert.deepEqual(
      letters.map(({ envelope }) => envelope?.subject),
      Array.from({ length: 60 }, (_, number) => `信 ${number}`),
    )
    const found = await client.search({ subject: '信 5', body: '第' }, { uid: true })
    assert.deepEqual(found, [6, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60])
    await client.messageFlagsAdd([1, 2], ['\\Flagged', '$Forwarded'], { uid: true })
    assert.deepEqual(await client.search({ keyword: '$Forwarded' }, { uid: true }), [1, 2])
    const copied = await client.messageCopy([1, 2, 3], chinese.project.name, { uid: true })
    assert.deepEqual(copied && [...(copied.uidMap?.entries() ?? [])], [
      [1, 1],
      [2, 2],
      [3, 3],
    ])
    const moved = await client.messageMove('10:19', chinese.project.name, { uid: true })
    assert.equal(moved && moved.uidMap?.size, 10)
    await client.messageDelete('20:29', { uid: true })
    assert.equal(client.mailbox && client.mailbox.exists, 40)
    const { content } = await client.download('30', '1', { uid: true })
    assert.ok(content)
    const pieces: Buffer[] = []
    for await (const piece of content) pieces.push(piece as Buffer)
    assert.equal(Buffer.concat(pieces).toString('utf8').replaceAll('\r\n', '\n'), '第 29 封。\n.\n..\n')
    const source = (await client.fetchOne('30', { source: true }, { uid: true })) || undefined
    assert.equal((await simpleParser(source?.source as Buffer)).subject, '信 29')
    assert.equal((await client.search({ to: seat.user })) && client.mailbox && client.mailbox.exists, 40)
  } finally {
    lock.release()
  }
}

export const imapflowJob: Job = {
  name: 'imapflow: folders, searches, flags, copies, moves, downloads; what it missed by QRESYNC',
  programs: [],
  async run(seat) {
    await putLetters(seat, 'INBOX', chineseLetters(seat, 60))
    const client = imapflow(seat)
    await client.connect()
    try {
      await client.mailboxCreate(chinese.project.name.split('/'))
      const names = (await client.list()).map(({ path }) => path)
      assert.ok(names.includes(chinese.project.name) && names.includes('INBOX'), names.join(', '))
      assert.equal((await client.list()).find(({ specialUse }) => specialUse === '\\Sent')?.path, 'Sent')
      await imapflowLetters(client, seat)
      const append = await client.append(
        chinese.project.name,
        letter('wang@test.com', seat.user, encodedWord(chineseSubject)).text,
        ['\\Seen'],
        new Date('2026-01-02T03:04:05Z'),
      )
      assert.equal(append && append.uid, 14)
      const status = await client.status(chinese.project.name, { messages: true, unseen: true, uidNext: true })
      assert.deepEqual([status && status.messages, status && status.unseen, status && status.uidNext], [14, 13, 15])
      await client.mailboxRename(chinese.project.name, chinese.old.name)
      assert.ok(await client.getQuota('INBOX'))
    } finally {
      await client.logout()
    }
    await using home = await atHome(seat)
    const flags = await flagsOf(home, chinese.old.encoded)
    assert.equal(flags.filter((words) => words.includes('\\Flagged') && words.includes('$Forwarded')).length, 2)
    assert.equal(await home.count('INBOX'), 40)
  },
}

// Programs that collect letters from a node into a Maildir or a program: getmail, mpop, fetchmail.
import assert from 'node:assert/strict'
import { chownSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { simpleParser } from 'mailparser'
import { mustRun } from '../harness/processes.ts'
import { ports } from '../harness/skein.ts'
import { type Job, type Seat, atHome, chinese, chineseLetters, homeDirectory, putLetters } from './seat.ts'

function makeMaildir(directory: string): void {
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(directory, part), { recursive: true })
}

/** The subjects of everything in a Maildir, in order; each with the body that it must have. */
async function subjectsIn(directory: string): Promise<string[]> {
  const subjects: string[] = []
  for (const name of readdirSync(join(directory, 'new'))) {
    const parsed = await simpleParser(readFileSync(join(directory, 'new', name)))
    const number = /\d+$/.exec(parsed.subject ?? '')?.[0]
    assert.equal(parsed.text?.trimEnd(), `第 ${number} 封。\n.\n..`, `body of ${parsed.subject}`)
    subjects.push(parsed.subject ?? '')
  }
  return subjects.sort()
}

function wanted(word: string, count: number): string[] {
  return Array.from({ length: count }, (_, number) => `${word} ${number}`).sort()
}

/** getmail delivers nothing as root: it runs as somebody else then, who owns the directory. */
function asNobody(directory: string): string[] {
  if (process.getuid?.() !== 0) return []
  const nobody = 65_534
  for (const entry of ['', ...readdirSync(directory, { recursive: true, encoding: 'utf8' })]) {
    chownSync(join(directory, entry), nobody, nobody)
  }
  return ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--']
}

async function countAtHome(seat: Seat, mailbox: string): Promise<number> {
  await using client = await atHome(seat)
  return await client.count(mailbox)
}

export const getmailJob: Job = {
  name: 'getmail collects INBOX by POP3 and a Chinese mailbox by IMAP, and deletes what it has',
  programs: ['getmail', 'setpriv'],
  async run(seat) {
    await putLetters(seat, 'INBOX', chineseLetters(seat, 25))
    {
      await using client = await atHome(seat)
      await client.must(`CREATE "${chinese.project.encoded}"`)
    }
    await putLetters(seat, chinese.project.encoded, chineseLetters(seat, 15, '工作'))
    const directory = homeDirectory('getmail')
    for (const [kind, port, more, word, count, mailbox] of [
      ['SimplePOP3SSLRetriever', ports.pop3s, '', '信', 25, 'INBOX'],
      [
        'SimpleIMAPSSLRetriever',
        ports.imaps,
        `mailboxes = ("${chinese.project.name}",)`,
        '工作',
        15,
        chinese.project.encoded,
      ],
    ] as const) {
      const maildir = join(directory, kind)
      makeMaildir(maildir)
      const settings = [
        '[retriever]',
        `type = ${kind}`,
        `server = ${seat.node.address}`,
        `port = ${port}`,
        `username = ${seat.user}`,
        `password = ${seat.password}`,
        more,
        '[destination]',
        'type = Maildir',
        `path = ${maildir}/`,
        '[options]',
        'delete = true',
        'received = false',
        'delivered_to = false',
        '',
      ]
      const rc = join(directory, `${kind}.rc`)
      writeFileSync(rc, settings.join('\n'), { mode: 0o600 })
      const { stdout } = await mustRun('getmail', ['--getmaildir', directory, '--rcfile', rc], {
        env: { HOME: directory, LC_ALL: 'C.UTF-8' },
        prefix: asNobody(directory),
      })
      assert.match(stdout, new RegExp(`${count} messages`))
      assert.deepEqual(await subjectsIn(maildir), wanted(word, count))
      assert.equal(await countAtHome(seat, mailbox), 0)
    }
  },
}

export const mpopJob: Job = {
  name: 'mpop collects by pipelined POP3, keeps letters, and later takes only the new ones',
  programs: ['mpop'],
  async run(seat) {
    await putLetters(seat, 'INBOX', chineseLetters(seat, 200))
    const directory = homeDirectory('mpop')
    const maildir = join(directory, 'mail')
    makeMaildir(maildir)
    const common = [
      `host ${seat.node.address}`,
      `user ${seat.user}`,
      `password ${seat.password}`,
      'tls on',
      'tls_certcheck off',
      `delivery maildir ${maildir}`,
      `uidls_file ${join(directory, 'uidls')}`,
      'received_header off',
    ]
    const settings = [
      ['account starttls', `port ${ports.pop3}`, 'tls_starttls on', 'keep on', ...common],
      ['account implicit', `port ${ports.pop3s}`, 'tls_starttls off', 'keep off', ...common],
    ]
    const rc = join(directory, '.mpoprc')
    writeFileSync(rc, `${settings.map((account) => account.join('\n')).join('\n\n')}\n`, { mode: 0o600 })
    const mpop = (account: string) => mustRun('mpop', ['-C', rc, account], { env: { HOME: directory } })
    await mpop('starttls')
    assert.deepEqual(await subjectsIn(maildir), wanted('信', 200))
    await putLetters(seat, 'INBOX', chineseLetters(seat, 20, '新'))
    await mpop('starttls')
    assert.deepEqual(await subjectsIn(maildir), [...wanted('信', 200), ...wanted('新', 20)].sort())
    assert.equal(await countAtHome(seat, 'INBOX'), 220)
    await mpop('implicit')
    assert.equal(await countAtHome(seat, 'INBOX'), 0)
    assert.equal((await subjectsIn(maildir)).length, 220)
  },
}

export const fetchmailJob: Job = {
  name: 'fetchmail collects by POP3 and by IMAP from a Chinese mailbox, and deletes what it has',
  programs: ['fetchmail'],
  async run(seat) {
    {
      await using client = await atHome(seat)
      await client.must(`CREATE "${chinese.old.encoded}"`)
    }
    for (const [protocol, port, mailbox] of [
      ['pop3', ports.pop3, 'INBOX'],
      ['imap', ports.imap, chinese.old.encoded],
    ] as const) {
      await putLetters(seat, mailbox, chineseLetters(seat, 25, protocol))
      const directory = homeDirectory(`fetchmail-${protocol}`)
      const mbox = join(directory, 'collected')
      const folder = protocol === 'imap' ? ` folder "${mailbox}"` : ''
      const rc = [
        `poll ${seat.node.address} protocol ${protocol} port ${port}`,
        `  user "${seat.user}" password "${seat.password}" sslproto "tls1.2+" no sslcertck${folder}`,
        `  fetchall no keep mda "cat >> ${mbox}"`,
      ]
      writeFileSync(join(directory, '.fetchmailrc'), `${rc.join('\n')}\n`, { mode: 0o600 })
      await mustRun('fetchmail', ['--nodetach', '--nosyslog', '-f', join(directory, '.fetchmailrc')], {
        env: { HOME: directory, FETCHMAILHOME: directory },
      })
      const collected = readFileSync(mbox, 'utf8')
      assert.equal(collected.match(/^Subject: =\?utf-8/gm)?.length, 25)
      assert.equal(collected.match(/^第 \d+ 封。\r?\n\.\r?\n\.\.\r?$/gm)?.length, 25)
      assert.equal(await countAtHome(seat, mailbox), 0, 'collected letters are deleted')
    }
  },
}

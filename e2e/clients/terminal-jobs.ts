// Programs for terminals, driven by keys in a terminal of their own: alpine, aerc and neomutt.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { simpleParser } from 'mailparser'
import { eventually } from '../harness/poll.ts'
import { ports } from '../harness/skein.ts'
import { letter } from '../harness/stage.ts'
import { Terminal } from '../harness/terminal.ts'
import {
  type Job,
  type Seat,
  atHome,
  certificateOf,
  chinese,
  chineseLetters,
  chineseSubject,
  encodedWord,
  flagsOf,
  homeDirectory,
  putLetters,
} from './seat.ts'

async function subjectsAt(seat: Seat, mailbox: string): Promise<string[]> {
  await using client = await atHome(seat)
  if ((await client.select(mailbox)) === 0) return []
  const bodies = [...(await client.fetchBodies('1:*')).values()]
  const parsed = await Promise.all(bodies.map((body) => simpleParser(body)))
  return parsed.map(({ subject }) => subject ?? '')
}

async function prepared(seat: Seat, letters: number): Promise<void> {
  await putLetters(seat, 'INBOX', chineseLetters(seat, letters))
  await using client = await atHome(seat)
  await client.must(`CREATE "${chinese.old.encoded}"`)
  await client.must(`SUBSCRIBE "${chinese.old.encoded}"`)
}

export const alpineJob: Job = {
  name: 'alpine reads INBOX, saves a letter to a Chinese mailbox, deletes another and expunges',
  programs: ['alpine', 'tmux'],
  async run(seat) {
    await prepared(seat, 5)
    const server = `{${seat.node.address}:${ports.imap}/tls/novalidate-cert/user=${seat.user}}`
    const settings = [
      'personal-name=Wang',
      `inbox-path=${server}INBOX`,
      `folder-collections=Mail ${server}[]`,
      'feature-list=quit-without-confirm,expunge-without-confirm,expunge-without-confirm-everywhere,auto-move-read-msgs,no-save-will-not-delete',
      'character-set=UTF-8',
      'last-version-used=7.00',
      'new-version-threshold=7.00',
      '',
    ]
    const directory = homeDirectory('alpine', { '.pinerc': settings.join('\n') })
    await using terminal = await Terminal.start('alpine', ['-i', '-p', join(directory, '.pinerc')], {
      env: { HOME: directory },
    })
    await terminal.shows(/password/i)
    await terminal.type(seat.password)
    await terminal.keys('Enter')
    await terminal.shows(/Preserve password/)
    await terminal.type('n')
    await terminal.shows(/信 4/)
    await terminal.shows(/信 0/)
    // To the first letter; Enter reads it.
    await terminal.type('j')
    await terminal.type('1')
    await terminal.keys('Enter')
    await terminal.keys('Enter')
    await terminal.shows(/第 0 封。/)
    await terminal.type('s')
    await terminal.shows(/SAVE .*folder/i)
    // From the list of folders: what is typed here goes out in UTF-8, whatever the server has enabled.
    await terminal.keys('C-t')
    await terminal.shows(new RegExp(chinese.old.name))
    await terminal.type('w')
    await terminal.shows(/Word to search for/)
    await terminal.type(chinese.old.name)
    await terminal.keys('Enter')
    await terminal.shows(/found/i)
    await terminal.type('s')
    await terminal.shows(/to folder .* : &/)
    await terminal.keys('Enter')
    await eventually(async () => (await subjectsAt(seat, chinese.old.encoded)).length === 1, {
      what: 'the save by alpine',
    })
    await terminal.type('i')
    await terminal.shows(/信 4/)
    await terminal.type('j')
    await terminal.type('3')
    await terminal.keys('Enter')
    await terminal.type('d')
    await terminal.type('x')
    await eventually(async () => (await subjectsAt(seat, 'INBOX')).length <= 3, { what: 'the expunge by alpine' })
    await terminal.type('q')
    await terminal.ends()
    assert.deepEqual(await subjectsAt(seat, chinese.old.encoded), ['信 0'])
    assert.deepEqual(await subjectsAt(seat, 'INBOX'), ['信 1', '信 3', '信 4'])
  },
}

export const aercJob: Job = {
  name: 'aerc reads INBOX, flags, moves a letter to a Chinese mailbox, archives and searches',
  programs: ['aerc', 'tmux'],
  async run(seat) {
    await prepared(seat, 5)
    const user = encodeURIComponent(seat.user)
    const accounts = [
      '[Skein]',
      `source = imap://${user}:${seat.password}@${seat.node.address}:${ports.imap}`,
      'default = INBOX',
      `from = Wang <${seat.user}>`,
      'archive = Archive',
      'cache-headers = false',
      '',
    ]
    const directory = homeDirectory('aerc', {
      '.config/aerc/accounts.conf': accounts.join('\n'),
      '.config/aerc/aerc.conf': '[general]\nunsafe-accounts-conf=true\n[filters]\ntext/plain=cat\n',
    })
    await using terminal = await Terminal.start('aerc', [], {
      env: { HOME: directory, SSL_CERT_FILE: certificateOf(seat), XDG_CONFIG_HOME: join(directory, '.config') },
    })
    await terminal.shows(/信 4/)
    const say = async (command: string) => {
      await terminal.type(`:${command}`)
      await terminal.keys('Enter')
    }
    // The newest letter is first and chosen.
    await say('flag')
    await say('select-message 0')
    await say('view-message')
    await terminal.shows(/第 4 封。/)
    await say('close')
    await say(`move ${chinese.old.name}`)
    await eventually(async () => (await subjectsAt(seat, chinese.old.encoded)).length === 1, {
      what: 'the move by aerc',
    })
    await say('select-message 0')
    await say('archive flat')
    await eventually(async () => (await subjectsAt(seat, 'Archive')).length === 1, { what: 'the archive by aerc' })
    await say(`cf ${chinese.old.name}`)
    await terminal.shows(/信 4/)
    await say('quit')
    await terminal.ends()
    assert.deepEqual(await subjectsAt(seat, chinese.old.encoded), ['信 4'])
    await using client = await atHome(seat)
    const [flags] = await flagsOf(client, chinese.old.encoded)
    assert.match(flags ?? '', /\\Seen/)
    assert.match(flags ?? '', /\\Flagged/)
    assert.equal(await client.count('INBOX'), 3)
  },
}

function neomuttSettings(seat: Seat, directory: string): string {
  return [
    `set from = "${seat.user}"`,
    `set imap_user = "${seat.user}"`,
    `set imap_pass = "${seat.password}"`,
    `set folder = "imap://${seat.node.address}:${ports.imap}/"`,
    'set spoolfile = "+INBOX"',
    `set header_cache = "${directory}/headers"`,
    `set message_cachedir = "${directory}/bodies"`,
    'set imap_condstore = yes',
    'set imap_qresync = yes',
    'set imap_idle = yes',
    'set imap_check_subscribed = yes',
    'set ssl_starttls = yes',
    'set ssl_force_tls = yes',
    'set ssl_verify_host = no',
    'set ssl_verify_dates = no',
    `set certificate_file = "${certificateOf(seat)}"`,
    'set charset = utf-8',
    'set quit = yes',
    'set delete = yes',
    'set move = no',
    'set mark_old = no',
    'set confirmappend = no',
    'set confirmcreate = no',
    'set wait_key = no',
    'set mail_check = 1',
    'set timeout = 1',
    'set sleep_time = 0',
    'set sort = mailbox-order',
    'set index_format = "%4C %Z %s"',
    '',
  ].join('\n')
}

export const neomuttJob: Job = {
  name: 'neomutt: server search, tagged moves, new mail while it idles, QRESYNC after changes elsewhere',
  programs: ['neomutt', 'tmux'],
  async run(seat) {
    await prepared(seat, 30)
    const directory = homeDirectory('neomutt')
    writeFileSync(join(directory, 'muttrc'), neomuttSettings(seat, directory), { mode: 0o600 })
    const start = () =>
      Terminal.start('neomutt', ['-F', join(directory, 'muttrc')], { env: { HOME: directory, TERM: 'xterm-256color' } })
    {
      await using terminal = await start()
      await terminal.shows(/信 29/)
      // All whose body has it, by the server's SEARCH.
      await terminal.type('T')
      await terminal.shows(/Tag messages matching/)
      await terminal.type('=b "第 2"')
      await terminal.keys('Enter')
      await terminal.type(';s')
      await terminal.shows(/mailbox/)
      await terminal.keys('C-u')
      await terminal.type(`=${chinese.old.name}`)
      await terminal.keys('Enter')
      await eventually(async () => (await subjectsAt(seat, chinese.old.encoded)).length === 11, { what: 'the moved' })
      await terminal.type('$')
      await terminal.shows(/信 10/)
      await putLetters(seat, 'INBOX', [{ text: letter('li@test.com', seat.user, encodedWord(chineseSubject)).text }])
      await terminal.shows(new RegExp(chineseSubject))
      await terminal.type('q')
      await terminal.ends()
    }
    assert.equal((await subjectsAt(seat, 'INBOX')).length, 20)
    {
      await using client = await atHome(seat)
      await client.select('INBOX')
      await client.must('STORE 1:2,5 +FLAGS.SILENT (\\Deleted)')
      await client.must('EXPUNGE')
      await client.must('STORE 1 +FLAGS.SILENT (\\Flagged)')
    }
    await using terminal = await start()
    const screen = await terminal.shows(new RegExp(chineseSubject))
    assert.match(screen, /! +信 3$/m)
    assert.doesNotMatch(screen, /信 [01]$/m)
    await terminal.type('q')
    await terminal.ends()
  },
}

// Programs that people use, each doing a person's job across two nodes: swaks, curl, neomutt, s-nail, nodemailer and imapflow.
// Subjects, names and mailboxes are Chinese where the program lets them be.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ImapFlow } from 'imapflow'
import { simpleParser } from 'mailparser'
import { createTransport } from 'nodemailer'
import { eventually } from './harness/poll.ts'
import { type CommandResult, mustRun, runCommand, temporaryDirectory } from './harness/processes.ts'
import { type SkeinNode, ports, startMesh } from './harness/skein.ts'
import { Stage, imapOf, letter } from './harness/stage.ts'
import { skipWithout } from './system-packages.ts'

const password = 'wild-geese-42'
const aaa = 'aaa@test.com'
const bbb = 'bbb@test.com'
const subject = '雁字回时，月满西楼'
/** RFC 3501 §5.1.3: in modified UTF-7. */
const mailbox = { name: '工作/项目', encoded: '&XeVPXA-/&mHl27g-' }

async function newest(node: SkeinNode, user: string, box = 'INBOX'): Promise<Buffer> {
  await using client = await imapOf(node, user, password)
  const count = await client.select(box)
  assert.ok(count > 0, `nothing in ${box}`)
  return [...(await client.fetchBodies(`${count}`)).values()][0] as Buffer
}

/** Waits until the newest letter of the user has the subject, and parses it. */
async function arrived(node: SkeinNode, user: string, wanted: string) {
  return eventually(
    async () => {
      const parsed = await simpleParser(await newest(node, user))
      return parsed.subject === wanted ? parsed : undefined
    },
    { what: `"${wanted}" in the mailbox of ${user}` },
  )
}

function loginAndPassword(user: string): string {
  return `${user}:${password}`
}

function urlUser(user: string): string {
  return `${encodeURIComponent(user)}:${encodeURIComponent(password)}`
}

function home(name: string, files: Record<string, string>): string {
  const directory = temporaryDirectory(name)
  for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text, { mode: 0o600 })
  return directory
}

test('real clients do their jobs', { timeout: 400_000 }, async (t) => {
  const stage = new Stage(t)
  let bj: SkeinNode
  let hk: SkeinNode
  let certificate: string

  await stage.step('two nodes, aaa on the first, bbb on the second', async () => {
    const nodes = await startMesh(['bj', 'hk'])
    stage.add(...nodes)
    ;[bj, hk] = nodes as [SkeinNode, SkeinNode]
    await bj.addUser(aaa, password)
    await hk.addUser(bbb, password)
    await eventually(async () => (await bj.users()).length === 2, { what: 'both users on bj' })
    certificate = join(bj.data, 'tls/cert.pem')
  })

  const independent = async (name: string, programs: string[], body: () => Promise<void>) => {
    await stage.independent(name, body, skipWithout(...programs))
  }

  for (const [way, args] of [
    ['STARTTLS on the submission port', ['--port', `${ports.submission}`, '--tls']],
    ['TLS from the first byte', ['--port', `${ports.submissions}`, '--tls-on-connect']],
  ] as const) {
    await independent(`swaks submits with ${way}`, ['swaks'], async () => {
      const wanted = `swaks ${args.at(-1)} ${subject}`
      const encoded = `=?utf-8?B?${Buffer.from(wanted).toString('base64')}?=`
      const attachment = join(home('swaks', { 'notes.txt': '附件\n' }), 'notes.txt')
      const account = ['--auth', 'PLAIN', '--auth-user', aaa, '--auth-password', password]
      const content = ['--header', `Subject: ${encoded}`, '--body', 'hello', '--attach', `@${attachment}`]
      const route = ['--server', bj.address, ...args, '--from', aaa, '--to', bbb]
      const { stdout } = await mustRun('swaks', [...route, ...account, ...content])
      assert.match(stdout, /TLS started/)
      const parsed = await arrived(hk, bbb, wanted)
      assert.equal(parsed.attachments[0]?.content.toString('utf8'), '附件\n')
    })
  }

  await independent('swaks is refused with a wrong password, and as somebody else', ['swaks'], async () => {
    const base = ['--server', bj.address, '--port', `${ports.submission}`, '--tls', '--auth', 'LOGIN', '--to', bbb]
    const wrong = await runCommand('swaks', [...base, '--auth-user', aaa, '--auth-password', 'x', '--from', aaa])
    assert.notEqual(wrong.code, 0)
    assert.match(wrong.stdout, /535/)
    const forged = await runCommand('swaks', [...base, '--auth-user', aaa, '--auth-password', password, '--from', bbb])
    assert.notEqual(forged.code, 0)
    assert.match(forged.stdout, /^<[~*]+ 55\d 5\.7\.1 /m)
  })

  await independent('curl sends, lists, reads, searches and stores', ['curl'], async () => {
    const wanted = `curl ${subject}`
    const directory = home('curl', { 'letter.eml': letter(aaa, bbb, wanted).text })
    const eml = join(directory, 'letter.eml')
    const curl = (...args: string[]) =>
      mustRun('curl', ['--silent', '--show-error', '--insecure', '--max-time', '20', ...args])
    const smtp = `smtp://${bj.address}:${ports.submission}`
    await curl('--ssl-reqd', smtp, '--user', loginAndPassword(aaa), '--mail-from', aaa, '--mail-rcpt', bbb, '-T', eml)
    await arrived(hk, bbb, wanted)
    const imaps = `imaps://${hk.address}:${ports.imaps}`
    const user = ['--user', loginAndPassword(bbb)]
    const { stdout: list } = await curl(`${imaps}/`, ...user)
    for (const box of ['INBOX', 'Sent', 'Drafts', 'Trash', 'Junk', 'Archive'])
      assert.match(list, new RegExp(`\\b${box}\\b`))
    const { stdout: found } = await curl(`${imaps}/INBOX`, ...user, '-X', 'SEARCH HEADER Subject curl')
    const number = /\* SEARCH (\d+)/.exec(found)?.[1]
    assert.ok(number, found)
    const { stdout: read } = await curl(`${imaps}/INBOX;MAILINDEX=${number}`, ...user)
    assert.match(read, new RegExp(`Subject: ${wanted}`))
    await curl(`imap://${hk.address}:${ports.imap}/Drafts`, '--ssl-reqd', ...user, '-T', eml)
    assert.match((await newest(hk, bbb, 'Drafts')).toString('utf8'), new RegExp(wanted))
    const pop3s = `pop3s://${hk.address}:${ports.pop3s}`
    const { stdout: scan } = await curl(`${pop3s}/`, ...user)
    const last = scan.trim().split('\r\n').at(-1)?.split(' ')[0]
    const { stdout: popped } = await curl(`${pop3s}/${last}`, ...user)
    assert.match(popped, new RegExp(`Subject: ${wanted}`))
    const { stdout: top } = await curl(
      `pop3://${hk.address}:${ports.pop3}/`,
      '--ssl-reqd',
      ...user,
      '-X',
      `TOP ${last} 0`,
    )
    assert.match(top, new RegExp(`Subject: ${wanted}`))
  })

  await independent('neomutt sends a letter with an attachment', ['neomutt'], async () => {
    const directory = home('neomutt', {
      '雁.txt': '一只雁\n',
      muttrc: muttSettings(bj, aaa, certificate),
      body: '鸿雁传书\n',
    })
    const wanted = `neomutt ${subject}`
    await mustRun(
      'neomutt',
      ['-F', join(directory, 'muttrc'), '-s', wanted, '-a', join(directory, '雁.txt'), '--', bbb],
      { input: '鸿雁传书\n', env: { HOME: directory, LC_ALL: 'C.UTF-8', TERM: 'xterm' } },
    )
    const parsed = await arrived(hk, bbb, wanted)
    assert.equal(parsed.text?.trim(), '鸿雁传书')
    assert.equal(parsed.attachments[0]?.filename, '雁.txt')
  })

  await independent(
    'neomutt reads a mailbox, saves a letter to another and leaves it read',
    ['neomutt', 'script'],
    async () => {
      const directory = home('neomutt', { muttrc: muttSettings(hk, bbb, join(hk.data, 'tls/cert.pem')) })
      {
        await using client = await imapOf(hk, bbb, password)
        await client.must(`CREATE "${mailbox.encoded}"`)
      }
      const wanted = `read me ${subject}`
      {
        await using client = await imapOf(hk, bbb, password)
        await client.must('APPEND INBOX', [Buffer.from(letter(aaa, bbb, wanted).text)])
      }
      const push = `<last-entry><display-message><exit><copy-message>=${mailbox.name}<enter><quit>`
      const muttrc = join(directory, 'muttrc')
      writeFileSync(muttrc, `${readFileSync(muttrc, 'utf8')}folder-hook . 'push "${push}"'\n`)
      await mustRun('script', ['-qec', `neomutt -F ${muttrc}`, '/dev/null'], {
        env: { HOME: directory, LC_ALL: 'C.UTF-8', TERM: 'xterm' },
      })
      assert.equal((await simpleParser(await newest(hk, bbb, mailbox.encoded))).subject, wanted)
      await using client = await imapOf(hk, bbb, password)
      const count = await client.select('INBOX')
      const { untagged } = await client.must(`FETCH ${count} FLAGS`)
      assert.match(untagged.map(({ text }) => text).join('\n'), /\\Seen/)
    },
  )

  await independent('s-nail sends and reads', ['s-nail'], async () => {
    const wanted = `s-nail ${subject}`
    const directory = home('s-nail', { '.mailrc': '' })
    const environment = { HOME: directory, LC_ALL: 'C.UTF-8', MAILRC: '/dev/null', NAIL_NO_SYSTEM_RC: '1' }
    const common = ['-n', '-S', 'v15-compat=yes', '-S', 'tls-verify=ignore', '-S', 'ttycharset=utf-8']
    const mta = `smtp://${urlUser(aaa)}@${bj.address}:${ports.submission}`
    await mustRun(
      's-nail',
      [...common, '-S', `mta=${mta}`, '-S', 'smtp-use-starttls', '-S', 'smtp-auth=login', '-r', aaa, '-s', wanted, bbb],
      { input: '鸿雁传书\n', env: environment },
    )
    const parsed = await arrived(hk, bbb, wanted)
    assert.equal(parsed.text?.trim(), '鸿雁传书')
    const read: CommandResult = await mustRun(
      's-nail',
      [...common, '-S', 'pop3-use-starttls', '-R', '-f', `pop3://${urlUser(bbb)}@${hk.address}:${ports.pop3}`],
      { input: 'headers\ntype $\nexit\n', env: environment },
    )
    assert.match(read.stdout, new RegExp(wanted))
    assert.match(read.stdout, /鸿雁传书/)
  })

  await stage.independent(
    'nodemailer and imapflow: a letter over TLS, noticed by IDLE, moved to a Chinese mailbox',
    async () => {
      const receiver = new ImapFlow({
        host: hk.address,
        port: ports.imap,
        secure: false,
        auth: { user: bbb, pass: password },
        tls: { rejectUnauthorized: false },
        logger: false,
      })
      await receiver.connect()
      try {
        await receiver.mailboxOpen('INBOX')
        const noticed = new Promise<void>((resolve) => receiver.once('exists', () => resolve()))
        // By itself it would wait 15 s before it idles.
        const idling = receiver.idle()
        const transport = createTransport({
          host: bj.address,
          port: ports.submissions,
          secure: true,
          auth: { user: aaa, pass: password },
          tls: { rejectUnauthorized: false },
        })
        const wanted = `nodemailer ${subject}`
        await transport.sendMail({ from: `"王" <${aaa}>`, to: bbb, subject: wanted, text: '你好' })
        transport.close()
        await noticed
        await receiver.noop()
        await idling
        const found = await eventually(
          async () => (await receiver.search({ header: { subject: 'nodemailer' } }, { uid: true })) || undefined,
          { what: 'the letter by SEARCH' },
        )
        await receiver.mailboxCreate(['工作', '雁'])
        await receiver.messageMove(found, '工作/雁', { uid: true })
        const status = await receiver.status('工作/雁', { messages: true })
        assert.equal(status && status.messages, found.length)
      } finally {
        await receiver.logout()
      }
    },
  )
})

function muttSettings(node: SkeinNode, user: string, certificate: string): string {
  return [
    `set from = "${user}"`,
    `set smtp_url = "smtp://${user}@${node.address}:${ports.submission}/"`,
    `set smtp_pass = "${password}"`,
    `set imap_user = "${user}"`,
    `set imap_pass = "${password}"`,
    `set folder = "imap://${node.address}:${ports.imap}/"`,
    'set spoolfile = "+INBOX"',
    // In batch mode neomutt keeps no copy on a server.
    'set copy = no',
    'set sort = mailbox-order',
    'set ssl_starttls = yes',
    'set ssl_force_tls = yes',
    'set ssl_verify_host = no',
    'set ssl_verify_dates = no',
    `set certificate_file = "${certificate}"`,
    'set charset = utf-8',
    'set send_charset = utf-8',
    'set quit = yes',
    'set delete = no',
    'set move = no',
    'set confirmappend = no',
    'set confirmcreate = no',
    'set wait_key = no',
    'set pager_stop = yes',
    'set sleep_time = 0',
    '',
  ].join('\n')
}

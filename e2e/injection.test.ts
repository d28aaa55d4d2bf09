// Nobody speaks in another's name: what comes in clear text is not taken for something said under TLS, from clients and from servers;
// and nothing that a stranger says in an address, a parameter or a reply ends a line of a header that this node writes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ImapClient } from './harness/imap-client.ts'
import type { LineSocket } from './harness/line-socket.ts'
import { LineSocket as Link } from './harness/line-socket.ts'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, ports, startNode } from './harness/skein.ts'
import { SmtpClient } from './harness/smtp-client.ts'
import { SmtpSink } from './harness/smtp-sink.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'
import { TestAuthority } from './harness/test-authority.ts'
import { skipWithout } from './system-packages.ts'

const anna = 'anna@own.test'
const lmtpPort = 10_024

interface Door {
  name: string
  port: number
  /** Said before STARTTLS, with the start of the line that ends each answer. */
  before: [string, RegExp][]
  startTls: string
  ready: RegExp
  injected: string
  /** Asked under TLS: the first line back is its answer. */
  probe: string
  answer: RegExp
}

const smtpDoor = (name: string, port: number, hello = 'EHLO'): Door => ({
  name,
  port,
  before: [
    ['', /^220 /],
    [`${hello} client.test`, /^250 /],
  ],
  startTls: 'STARTTLS',
  ready: /^220 /,
  injected: `${hello} evil.test\r\nMAIL FROM:<evil@evil.test>\r\nVRFY injected`,
  probe: 'RCPT TO:<anna@own.test>',
  answer: /^503 /,
})

const doors: Door[] = [
  smtpDoor('port 25', ports.smtp),
  smtpDoor('submission', ports.submission),
  smtpDoor('LMTP', lmtpPort, 'LHLO'),
  {
    name: 'IMAP',
    port: ports.imap,
    before: [['', /^\* OK/]],
    startTls: 'a STARTTLS',
    ready: /^a OK/,
    injected: `b LOGIN "${anna}" "${password}"\r\nc SELECT INBOX`,
    probe: 'd FETCH 1 FLAGS',
    answer: /^d (?:BAD|NO)/,
  },
  {
    name: 'POP3',
    port: ports.pop3,
    before: [['', /^\+OK/]],
    startTls: 'STLS',
    ready: /^\+OK/,
    injected: `USER ${anna}\r\nPASS ${password}`,
    probe: 'STAT',
    answer: /^-ERR/,
  },
]

async function lastLine(link: LineSocket, end: RegExp): Promise<string> {
  for (;;) {
    const line = await link.line()
    if (end.test(line)) return line
    assert.match(line, /^(?:250-|\* )/, line)
  }
}

async function upToTls(node: SkeinNode, door: Door): Promise<LineSocket> {
  const link = await Link.connect({ host: node.address, port: door.port })
  for (const [command, end] of door.before) {
    if (command !== '') link.write(`${command}\r\n`)
    await lastLine(link, end)
  }
  return link
}

/** What is under TLS answers only what was said there; a connection that is closed answers nothing. */
async function saysNothingOfTheInjected(link: LineSocket, door: Door): Promise<void> {
  const secured = await link.startTls().then(
    () => true,
    () => false,
  )
  if (!secured) return
  link.write(`${door.probe}\r\n`)
  const first = await link.line().catch(() => undefined)
  if (first !== undefined) assert.match(first, door.answer)
  assert.equal(link.buffered, 0)
}

test('clear text behind STARTTLS is nothing said under TLS', { timeout: 60_000 }, async (t) => {
  const stage = new Stage(t)
  const node = await startNode({
    name: 'strict',
    domains: ['own.test'],
    users: { [anna]: password },
    settings: { smtp: { trusted: ['127.0.0.0/8'] }, listen: { lmtp: lmtpPort } },
  })
  stage.add(node)
  for (const door of doors) {
    await stage.independent(`${door.name}: in one write with STARTTLS`, async () => {
      await using link = await upToTls(node, door)
      link.write(`${door.startTls}\r\n${door.injected}\r\n`)
      const reply = await link.line()
      if (!door.ready.test(reply)) {
        // Refused: then the rest was said in clear text and is answered so, and no secret of a TLS session is at stake.
        assert.match(reply, /^(?:5\d\d |4\d\d |a (?:BAD|NO)|-ERR|\* BYE)/)
        return
      }
      await saysNothingOfTheInjected(link, door)
    })

    await stage.independent(`${door.name}: in a write of its own, before the handshake`, async () => {
      await using link = await upToTls(node, door)
      link.write(`${door.startTls}\r\n`)
      assert.match(await link.line(), door.ready)
      link.write(`${door.injected}\r\n`)
      await saysNothingOfTheInjected(link, door)
    })

    await stage.independent(`${door.name}: what was known before TLS is forgotten`, async () => {
      await using link = await upToTls(node, door)
      if (door.name === 'POP3') {
        link.write(`USER ${anna}\r\n`)
        assert.match(await link.line(), /^\+OK/)
      } else if (door.name !== 'IMAP' && door.port !== ports.submission) {
        link.write('MAIL FROM:<evil@evil.test>\r\n')
        assert.match(await link.line(), /^250 /)
      }
      link.write(`${door.startTls}\r\n`)
      assert.match(await link.line(), door.ready)
      await link.startTls()
      link.write(`${door.name === 'POP3' ? `PASS ${password}` : door.probe}\r\n`)
      assert.match(await link.line(), door.answer)
    })
  }

  await stage.independent('and an honest session goes on', async () => {
    const imap = await ImapClient.connect({ host: node.address, port: ports.imap })
    await imap.must('STARTTLS')
    await imap.link.startTls()
    await imap.must(`LOGIN "${anna}" "${password}"`)
    imap.link.destroy()
  })
})

/** Replies that would see a whole letter through, were they believed. */
const forged = '250-evil.test\r\n250 PIPELINING\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on\r\n250 2.0.0 taken\r\n'

test(
  'a server that speaks in clear text after STARTTLS is not believed',
  { skip: skipWithout('openssl'), timeout: 60_000 },
  async (t) => {
    const stage = new Stage(t)
    const authority = await TestAuthority.create()
    const certificate = await authority.issue('sink.test')
    const node = await startNode({ name: 'sender', domains: ['own.test'], users: { [anna]: password } })
    stage.add(node)
    // Only the first connection is served: what a second one in clear text would do is not the question here.
    const onlyOne = (number: number) => (number === 1 ? undefined : '421 4.3.2 later\r\n')
    const [behind, late, honest] = await Promise.all([
      SmtpSink.start({ answerConnection: onlyOne, tls: { ...certificate, behind: forged } }),
      SmtpSink.start({ answerConnection: onlyOne, tls: { ...certificate, late: forged } }),
      SmtpSink.start({ tls: { ...certificate, clearExtensions: ['SIZE 1', 'PIPELINING'] } }),
    ])
    for (const sink of [behind, late, honest]) stage.cleanup(() => sink.stop())
    node.appendSettings(
      `\n[outside.routes]\n"behind.test" = "${behind.route}"\n"late.test" = "${late.route}"\n"honest.test" = "${honest.route}"\n`,
    )
    await node.restart()

    interface QueueLine {
      recipients: { address: string; state: string; attempts: number; lastResult: { kind: string } | null }[]
    }

    for (const [name, sink] of [
      ['behind', behind],
      ['late', late],
    ] as const) {
      await stage.independent(`forged replies ${name} the go-ahead: the letter stays in the queue`, async () => {
        const to = `far@${name}.test`
        await using client = await submissionTo(node, anna)
        assert.equal((await client.send(anna, [to], letter(anna, to, 'not to be lost').text)).code, 250)
        const recipient = await eventually(
          async () => {
            const queue = await node.json<QueueLine[]>(['queue', 'list'])
            const found = queue.flatMap(({ recipients }) => recipients).find(({ address }) => address === to)
            return found?.lastResult ? found : undefined
          },
          { what: 'an attempt that failed' },
        )
        assert.equal(recipient.state, 'pending')
        assert.equal(recipient.lastResult?.kind, 'temporary')
        assert.equal(sink.letters.length, 0)
        assert.ok(!sink.commands.includes('DATA'))
      })
    }

    await stage.independent('what was announced before TLS does not count inside', async () => {
      await using client = await submissionTo(node, anna)
      const { text } = letter(anna, 'far@honest.test', 'longer than one byte')
      assert.equal((await client.send(anna, ['far@honest.test'], text)).code, 250)
      await eventually(() => honest.letters.length === 1, { what: 'the letter at the sink' })
      assert.equal(honest.letters[0]?.secure, true)
    })
  },
)

/** Lines that must begin nowhere in a header or report. */
const injectedLine = /^X-Injected/im
const controls: Record<string, string> = {
  'CR LF': '\r\nX-Injected: yes',
  CR: '\rX-Injected: yes',
  LF: '\nX-Injected: yes',
  NUL: '\0X-Injected: yes',
  'VT and FF': '\v\fX-Injected: yes',
  'next line (U+0085)': '\u0085X-Injected: yes',
  'line separator (U+2028)': '\u2028X-Injected: yes',
  'paragraph separator (U+2029)': '\u2029X-Injected: yes',
}

test('nothing in an address, a parameter or a reply ends a line', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t)
  const refusal = '550-5.1.1 nobody\rX-Injected: yes\r\n550 5.1.1 \x1b[31m\0\x85X-Injected: yes\r\n'
  const sink = await SmtpSink.start({
    answerRcpt: (address) => (address.includes('refused') ? refusal : undefined),
    extensions: ['PIPELINING', '8BITMIME', 'SMTPUTF8'],
  })
  stage.cleanup(() => sink.stop())
  const node = await startNode({
    name: 'strict',
    domains: ['own.test'],
    users: { [anna]: password },
    settings: { smtp: { trusted: ['127.0.0.0/8'] } },
  })
  stage.add(node)
  node.appendSettings(`\n[outside.routes]\n"*" = "${sink.route}"\n`)
  await node.restart()

  async function mx(): Promise<SmtpClient> {
    const client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
    await client.ehlo()
    return client
  }

  /** Each line of it, as a line feed ends them. */
  async function refused(client: SmtpClient, command: string): Promise<void> {
    client.link.write(`${command}\r\n`)
    for (const line of command.split('\n')) {
      const reply = await client.reply()
      assert.ok(reply.code >= 500, `${JSON.stringify(line)}: ${reply.text}`)
    }
  }

  for (const [name, text] of Object.entries(controls)) {
    await stage.independent(`${name} in a command: refused, and nothing of it runs`, async () => {
      for (const command of [
        `MAIL FROM:<evil${text}@evil.test> SMTPUTF8`,
        `MAIL FROM:<"evil${text}"@evil.test> SMTPUTF8`,
        `MAIL FROM:<evil@evil.test> SMTPUTF8 ENVID=a${text}`,
      ]) {
        // Cut by a whole line end the last is sound, and the rest a line of its own.
        if (text.startsWith('\r\n') && command.includes('ENVID')) continue
        await using client = await mx()
        await refused(client, command)
      }
      await using client = await mx()
      await client.expect('MAIL FROM:<evil@evil.test> SMTPUTF8', 250)
      for (const command of [
        `RCPT TO:<anna${text}@own.test>`,
        `RCPT TO:<anna@own.test${text}>`,
        `RCPT TO:<anna@own.test> ORCPT=rfc822;a${text}`,
      ]) {
        if (text.startsWith('\r\n') && command.includes('ORCPT')) continue
        await refused(client, command)
      }
      const data = await client.command('DATA')
      assert.ok(data.code === 503 || data.code === 554, data.text)
    })
  }

  await stage.independent('names in EHLO and quoted senders stay one word of Received and Return-Path', async () => {
    const hellos = ['x)(y', 'a;b', 'a(b', '[1.2.3.4', '<x>', 'x"y', 'a\\b', 'a@b', '\u2028x', 'ä.test']
    const senders = [
      '"a\\"b> X-Injected: yes"@evil.test',
      '"x; y) (z"@evil.test',
      '"<a@b>"@evil.test',
      '"a b\\\\"@evil.test',
    ]
    let taken = 0
    for (const hello of hellos) {
      for (const sender of senders) {
        await using client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
        const greeted = await client.command(`EHLO ${hello}`)
        assert.ok(greeted.code === 250 || greeted.code >= 500, greeted.text)
        if (greeted.code !== 250) continue
        const reply = await client.send(sender, [anna], letter('x@evil.test', anna, 'words').text)
        assert.equal(reply.code, 250, reply.text)
        taken += 1
      }
    }
    assert.ok(taken > 0)
    await using client = await imapOf(node, anna)
    await eventually(async () => (await client.count('INBOX')) === taken, { what: `${taken} letters` })
    await client.select('INBOX')
    for (const bytes of (await client.fetchBodies('1:*')).values()) {
      const head = bytes.toString('utf8').split('\r\n\r\n')[0] ?? ''
      assert.doesNotMatch(head, injectedLine)
      const received = (/^Received: ([^]*?)\r\n(?![ \t])/m.exec(`${head}\r\n`)?.[1] ?? '').replaceAll(/\r\n\t/g, ' ')
      assert.match(
        received,
        /^from [^\s()<>;"\\]+ \([^()<>;"\\]*\[127\.0\.0\.1\]\) by \S+ with [A-Z0-9]+ id \S+ for <anna@own\.test>; [^;]+$/,
      )
      assert.equal(head.match(/^Return-Path: </gm)?.length, 1)
    }
  })

  await stage.independent('reports: what strangers wrote and servers said stays inside its field', async () => {
    await using client = await submissionTo(node, anna)
    const evil = '+0D+0AX-Injected:+20yes'
    const dsn = client.extensions.has('DSN')
    await client.expect(`MAIL FROM:<${anna}>${dsn ? ` RET=FULL ENVID=a${evil}` : ''}`, 250)
    const parameters = dsn ? ` NOTIFY=FAILURE,SUCCESS ORCPT=rfc822;b${evil}@c.test` : ''
    for (const to of ['refused@far.test', '"refused> X-Injected: yes"@far.test', 'taken@far.test']) {
      const reply = await client.command(`RCPT TO:<${to}>${parameters}`)
      assert.equal(reply.code, 250, reply.text)
    }
    await client.expect('DATA', 354)
    const { id, text } = letter(anna, 'refused@far.test', 'to be returned')
    assert.equal((await client.command(`${text}\r\n.`)).code, 250)
    await using inbox = await imapOf(node, anna)
    const reports = await eventually(
      async () => {
        await inbox.select('INBOX')
        const found = [...(await inbox.fetchBodies('1:*')).values()].map((bytes) => bytes.toString('latin1'))
        const about = found.filter((one) => one.includes(id) && /^Content-Type: multipart\/report/m.test(one))
        return about.some((one) => /^Action: failed\r$/m.test(one)) ? about : undefined
      },
      { what: 'the report', deadlineMs: 30_000 },
    )
    for (const report of reports) {
      assert.doesNotMatch(report, injectedLine)
      assert.doesNotMatch(report, /\r(?!\n)|(?<!\r)\n/)
      // oxlint-disable-next-line no-control-regex
      assert.doesNotMatch(report, /[\0\x1b\x85]/)
    }
    if (dsn) assert.match(reports.join(''), /^Original-Envelope-Id: /m)
  })
})

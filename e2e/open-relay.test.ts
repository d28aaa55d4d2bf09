// Nobody's relay: every way of writing an address that has ever made some mail server pass a stranger's letter on, at every door.
// Each is refused with the code that says why, or lies in a mailbox of this node; the world outside never hears of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, ports, startNode } from './harness/skein.ts'
import { SmtpClient, type SmtpReply } from './harness/smtp-client.ts'
import { SmtpSink } from './harness/smtp-sink.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'

const anna = 'anna@own.test'
const lmtpPort = 10_024

/** What a form gets. RFC 5321 §3.6.2, RFC 3463. */
const answers = {
  /** Well formed, and not for us. */
  relay: /^550 5\.7\.1 /,
  /** In our domain, and nobody there. */
  unknown: /^550 5\.1\.1 /,
  /** No address by RFC 5321 §4.1.2. */
  syntax: /^50[01] 5\.(?:1\.3|5\.[24]) /,
  /** Looks like the way back of a letter that was forwarded from here, and nobody here signed it. */
  forged: /^550 5\.(?:1\.1|7\.1) /,
  /** With parameters: not offered, or offered and not for us. */
  parameter: /^5(?:55 5\.5\.4|50 5\.7\.1) /,
  /** Beyond ASCII, and SMTPUTF8 was not asked for. RFC 6531 §3.5. */
  needsUtf8: /^553 5\.6\.7 /,
  /** A mailbox here. */
  local: /^250 2\.1\.5 /,
} as const

type Answer = keyof typeof answers

/**
 * `{ip}` is the node's address, `{host}` its name, `{NUL}`, `{TAB}` and `{long}` (300 letters) are what they say.
 * A form stands between RCPT TO:< and >, unless it begins with RCPT.
 */
const forms: Record<Answer, string[]> = {
  relay: [
    'victim@outside.test',
    'VICTIM@OUTSIDE.TEST',
    'victim%outside.test@{host}',
    'victim%outside.test@[{ip}]',
    '@own.test:victim@outside.test',
    '@own.test,@other.test:victim@outside.test',
    '@{host}:victim@outside.test',
    '"anna@own.test"@outside.test',
    'anna+@outside.test',
    'victim@[{ip}]',
    'anna@[{ip}]',
    'victim@[127.0.0.1]',
    'victim@[192.0.2.1]',
    'victim@[IPv6:::1]',
    'victim@[IPv6:2001:db8::1]',
    'victim@[IPv6:::ffff:{ip}]',
    'victim@own.test.outside.test',
    'victim@localhost',
    'victim@{host}',
    'anna@{host}',
    'postmaster@outside.test',
    'anna@xn--wn-emc.test',
    'RCPT TO: <victim@outside.test>',
    'postmaster@[{ip}]',
    'postmaster@{host}',
  ],
  unknown: [
    'victim%outside.test@own.test',
    'outside.test!victim@own.test',
    'outside.test!victim%third.test@own.test',
    '@outside.test:victim@own.test',
    '"victim@outside.test"@own.test',
    '"victim%outside.test"@own.test',
    '"outside.test!victim"@own.test',
    '"anna\\"@outside.test"@own.test',
    '|/bin/sh@own.test',
    '"|/bin/sh"@own.test',
    '/etc/passwd@own.test',
    'victim=outside.test@own.test',
    'prvs=0123456789=victim@own.test',
    '/PN=victim/O=outside.test/@own.test',
    '=?utf-8?q?victim=40outside=2Etest?=@own.test',
    'victim#outside.test@own.test',
  ],
  syntax: [
    'victim%outside.test',
    'outside.test!victim',
    'own.test!outside.test!victim',
    '@own.test:@outside.test:victim@outside.test',
    '"victim@outside.test"',
    'victim\\@outside.test@own.test',
    'victim@outside.test@own.test',
    'anna@own.test@outside.test',
    'anna+victim@outside.test@own.test',
    'victim@192.0.2.1',
    'victim@[::1]',
    'victim@[2130706433]',
    'victim@2130706433',
    'victim@[outside.test]',
    'victim@outside.test.',
    'anna@own.test.',
    'victim@.outside.test',
    'victim@outside..test',
    '',
    ' ',
    '@',
    '@outside.test',
    'victim@',
    'victim',
    'anna@own.test,victim@outside.test',
    'anna@own.test;victim@outside.test',
    'anna@own.test victim@outside.test',
    'anna@own.test>,<victim@outside.test',
    'anna@own.test> <victim@outside.test',
    'anna@own.test>victim@outside.test',
    '<victim@outside.test>',
    'victim@outside.test%00@own.test',
    'victim@outside.test{NUL}@own.test',
    'anna@own.test{NUL}.outside.test',
    'anna@own.test{NUL}',
    'victim(comment)@outside.test',
    'anna@own.test(@outside.test)',
    '(anna@own.test)victim@outside.test',
    'victim @outside.test',
    'victim@ outside.test',
    'victim@outside.test{TAB}',
    'victim@own\u200b.test',
    'anna@own.test\u202e',
    'mailto:victim@outside.test',
    'victim@outside.test?subject=x',
    ':include:/etc/passwd@own.test',
    'victim:outside.test@own.test',
    'outside.test::victim',
    'RCPT TO:victim@outside.test',
    'RCPT TO:<victim@outside.test',
    'RCPT TO:<anna@own.test><victim@outside.test>',
    'RCPT TO:<anna@own.test> <victim@outside.test>',
    'RCPT TO:"victim"<victim@outside.test>',
    'RCPT TO:Anna <anna@own.test>',
    'RCPT FROM:<victim@outside.test>',
    'RCPT <victim@outside.test>',
    'RCPT TO:<{long}@outside.test>',
    'RCPT TO:<{long}%outside.test@own.test>',
  ],
  parameter: ['RCPT TO:<victim@outside.test> ORCPT=rfc822;anna@own.test', 'RCPT TO:<victim@outside.test> NOTIFY=NEVER'],
  forged: [
    'SRS0=HHHH=TT=outside.test=victim@own.test',
    'SRS0=AAAAAAAA=2B=outside.test=victim@own.test',
    'SRS0+HHHH=TT=outside.test=victim@own.test',
    'SRS0-HHHH=TT=outside.test=victim@own.test',
    'srs0=hhhh=tt=outside.test=victim@own.test',
    'SRS0==TT=outside.test=victim@own.test',
    'SRS0=outside.test=victim@own.test',
    'SRS1=HHHH=other.test==HHHH=TT=outside.test=victim@own.test',
  ],
  needsUtf8: ['anna@оwn.test', 'anna@own．test', 'victim@outside。test', 'аnna@own.test'],
  local: [
    '@outside.test:anna@own.test',
    '"anna"@own.test',
    'anna+victim%outside.test@own.test',
    'postmaster',
    'Postmaster@OWN.test',
  ],
}

/** The same forms where SMTPUTF8 was asked for: letters that look like others are others, a wide dot is a dot (RFC 5891 §4.1). */
const formsInUtf8: Record<string, Answer> = {
  'anna@оwn.test': 'relay',
  'anna@own．test': 'local',
  'victim@outside。test': 'relay',
  'аnna@own.test': 'unknown',
}

const senders = ['', anna, 'postmaster@own.test', 'victim@outside.test', 'stranger@third.test']

interface Door {
  name: string
  open(node: SkeinNode): Promise<SmtpClient>
}

async function at(node: SkeinNode, port: number, tls = false): Promise<SmtpClient> {
  const client = await SmtpClient.connect({ host: node.address, port, tls })
  await client.ehlo()
  return client
}

const openDoors: Door[] = [
  { name: 'port 25', open: (node) => at(node, ports.smtp) },
  {
    name: 'port 25 after STARTTLS',
    async open(node) {
      const client = await at(node, ports.smtp)
      await client.startTls()
      return client
    },
  },
  {
    name: 'LMTP',
    async open(node) {
      const client = await SmtpClient.connect({ host: node.address, port: lmtpPort })
      await client.expect('LHLO client.test', 250)
      return client
    },
  },
]

const guardedDoors: Door[] = [
  { name: 'submission, nobody logged in', open: (node) => at(node, ports.submission) },
  {
    name: 'submission after STARTTLS, nobody logged in',
    async open(node) {
      const client = await at(node, ports.submission)
      await client.startTls()
      return client
    },
  },
  { name: 'submissions, nobody logged in', open: (node) => at(node, ports.submissions, true) },
]

function commandOf(form: string, node: SkeinNode): string {
  const filled = form
    .replaceAll('{ip}', node.address)
    .replaceAll('{host}', `relay.own.test`)
    .replaceAll('{NUL}', '\0')
    .replaceAll('{TAB}', '\t')
    .replaceAll('{long}', 'a'.repeat(300))
  return filled.startsWith('RCPT') ? filled : `RCPT TO:<${filled}>`
}

const formCount = Object.values(forms).flat().length

test(`nobody's relay: ${formCount} forms of addresses at every door`, { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t)
  const sink = await SmtpSink.start()
  stage.cleanup(() => sink.stop())
  const node = await startNode({
    name: 'relay',
    domains: ['own.test'],
    extraArguments: ['--admin', anna, '--password-stdin'],
    input: `${password}\n`,
    settings: { listen: { lmtp: lmtpPort }, smtp: { trusted: ['127.0.0.0/8'] } },
  })
  stage.add(node)
  // Whatever leaves this node, for any domain or address, goes to the sink.
  node.appendSettings(`\n[outside.routes]\n"*" = "${sink.route}"\n`)
  await node.restart()
  assert.ok(formCount >= 100)
  let letters = 0

  /** The reply to RCPT, with a letter sent where it was taken. */
  async function attempt(door: Door, from: string, form: string, mail = ''): Promise<SmtpReply> {
    await using client = await door.open(node)
    await client.expect(`MAIL FROM:<${from}>${mail}`, 250)
    const reply = await client.command(commandOf(form, node))
    if (reply.code >= 300) {
      // What was refused is not among the recipients.
      const data = await client.command('DATA')
      assert.ok(data.code === 503 || data.code === 554, `${form}: ${data.text}`)
      return reply
    }
    await client.expect('DATA', 354)
    client.link.write(`${letter('a@third.test', 'b@third.test', 'taken').text}\r\n.\r\n`)
    const taken = await client.reply()
    assert.equal(taken.code, 250, `${form}: ${taken.text}`)
    letters += 1
    return reply
  }

  for (const door of openDoors) {
    for (const [answer, list] of Object.entries(forms) as [Answer, string[]][]) {
      await stage.independent(`${door.name}: ${list.length} forms: ${answer}`, async () => {
        for (const form of list) {
          const reply = await attempt(door, 'stranger@third.test', form)
          assert.match(reply.text, answers[answer], form)
        }
      })
    }

    await stage.independent(`${door.name}: with SMTPUTF8, likenesses are told apart`, async () => {
      for (const [form, answer] of Object.entries(formsInUtf8)) {
        const reply = await attempt(door, 'stranger@third.test', form, ' SMTPUTF8')
        assert.match(reply.text, answers[answer], form)
      }
    })

    await stage.independent(`${door.name}: no sender's name opens it`, async () => {
      for (const from of senders) {
        for (const form of ['victim@outside.test', 'victim@[{ip}]', '@own.test:victim@outside.test']) {
          const reply = await attempt(door, from, form)
          assert.match(reply.text, answers.relay, `${from} to ${form}`)
        }
      }
    })
  }

  for (const door of guardedDoors) {
    await stage.independent(`${door.name}: every form waits for a log-in`, async () => {
      for (const form of Object.values(forms).flat()) {
        await using client = await door.open(node)
        const mail = await client.command(`MAIL FROM:<${anna}>`)
        assert.match(mail.text, /^530 5\.7\.0 /)
        const reply = await client.command(commandOf(form, node))
        assert.ok(reply.code >= 500 && reply.code < 560, `${form}: ${reply.text}`)
        const data = await client.command('DATA')
        assert.ok([503, 530, 554].includes(data.code), `${form}: ${data.text}`)
      }
    })
  }

  await stage.independent('what was taken lies in the mailbox here, all of it', async () => {
    assert.ok(letters >= openDoors.length * forms.local.length)
    await using client = await imapOf(node, anna)
    await eventually(async () => (await client.count('INBOX')) === letters, { what: `${letters} letters` })
    assert.deepEqual(await node.json<unknown[]>(['queue', 'list']), [])
    assert.equal(sink.connections, 0)
  })

  await stage.independent('the sink does stand where letters leave: one who is logged in reaches it', async () => {
    await using client = await submissionTo(node, anna)
    const { text } = letter(anna, 'victim@outside.test', 'allowed')
    assert.equal((await client.send(anna, ['victim@outside.test'], text)).code, 250)
    await eventually(() => sink.letters.length === 1, { what: 'the letter at the sink' })
    assert.deepEqual(sink.letters[0]?.recipients, ['victim@outside.test'])
  })
})

// Letters between Skein and the mail systems that half the world runs: Debian's Postfix and Exim, both ways, over STARTTLS and plain.
// What arrives is what was sent, byte for byte below the lines that each hop puts on top; what can't arrive comes back as a bounce.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Exim } from './harness/exim.ts'
import type { ImapClient } from './harness/imap-client.ts'
import { eventually } from './harness/poll.ts'
import { Postfix } from './harness/postfix.ts'
import { type SkeinNode, ports, startNode } from './harness/skein.ts'
import { SmtpClient } from './harness/smtp-client.ts'
import { Stage, imapOf, password, submissionTo } from './harness/stage.ts'
import { TestAuthority } from './harness/test-authority.ts'
import { skipWithout } from './system-packages.ts'

const domain = 'skein.test'
const anna = `anna@${domain}`
const lin = `林@${domain}`
const recipientsMany = 150
const largeBytes = 20 * 1024 * 1024

type Peer = Postfix | Exim

interface PeerPlace {
  name: string
  domain: string
  tls: boolean
  server: Peer
}

let letters = 0

/** A whole letter; `lines` begins with the last header lines. */
function letterOf(from: string, to: string, ...lines: string[]): { mark: string; bytes: Buffer } {
  letters += 1
  const mark = `interop-${letters}-${process.pid}@skein.test`
  const head = [
    `From: <${from}>`,
    `To: <${to}>`,
    'Date: Mon, 30 Nov 2026 08:00:00 +0800',
    `Message-ID: <${mark}>`,
    'MIME-Version: 1.0',
  ]
  return { mark, bytes: Buffer.from([...head, ...lines, ''].join('\r\n')) }
}

const plainText = ['Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit']

function base64Lines(bytes: Buffer): string {
  return (bytes.toString('base64').match(/.{1,76}/g) ?? []).join('\r\n')
}

/** What is sent in both directions to every peer: the last header lines and the body. */
const kinds: Record<string, () => string[]> = {
  'plain ASCII': () => ['Subject: Geese', '', 'Hello.'],
  'a Chinese subject in encoded words, 8-bit text': () => [
    `Subject: =?UTF-8?B?${Buffer.from('鸿雁传书').toString('base64')}?=`,
    ...plainText,
    '',
    '你好，这是一封信。',
    'Überraschung',
  ],
  attachments: () => [
    'Subject: three parts',
    'Content-Type: multipart/mixed; boundary="edge"',
    '',
    '--edge',
    ...plainText,
    '',
    '见附件。',
    '--edge',
    `Content-Type: application/octet-stream; name="=?UTF-8?B?${Buffer.from('报告.bin').toString('base64')}?="`,
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment',
    '',
    base64Lines(randomBytes(50_000)),
    '--edge',
    'Content-Type: message/rfc822',
    '',
    'From: <a@b.test>',
    'Subject: inside',
    '',
    'inside',
    '--edge--',
  ],
  'dots, empty lines, blanks at line ends': () => [
    'Subject: dots',
    '',
    '.',
    '..',
    '. leading',
    '.hidden',
    '',
    '',
    'blanks  \t ',
    '.',
    '',
    '',
  ],
  'lines of 998 octets': () => ['Subject: long', '', 'x'.repeat(998), `.${'y'.repeat(996)}`, 'z'.repeat(997)],
  'no body': () => ['Subject: nothing', ''],
}

function endsWithLetter(arrived: Buffer, sent: Buffer): void {
  const tail = arrived.subarray(arrived.length - sent.length)
  if (tail.equals(sent)) return
  let at = 0
  while (at < sent.length && tail[at] === sent[at]) at += 1
  const around = (bytes: Buffer) => JSON.stringify(bytes.subarray(Math.max(0, at - 60), at + 60).toString('latin1'))
  assert.fail(`differs at ${at} of ${sent.length}: sent ${around(sent)}, arrived ${around(tail)}`)
}

async function submit(node: SkeinNode, user: string, recipients: readonly string[], bytes: Buffer): Promise<void> {
  await using client = await submissionTo(node, user)
  const reply = await client.send(user, recipients, bytes)
  assert.equal(reply.code, 250, reply.text)
}

/** Hands a letter to the peer as one of its own people would. */
async function handTo(peer: Peer, from: string, to: readonly string[], bytes: Buffer, mail = ''): Promise<void> {
  await using client = await SmtpClient.connect({ host: peer.address, port: peer.port })
  await client.ehlo()
  await client.expect(`MAIL FROM:<${from}>${mail}`, 250)
  for (const recipient of to) await client.expect(`RCPT TO:<${recipient}>`, 250)
  await client.expect('DATA', 354)
  client.link.write(dotted(bytes))
  const reply = await client.reply(120_000)
  assert.equal(reply.code, 250, reply.text)
}

function dotted(bytes: Buffer): Buffer {
  return Buffer.from(`${bytes.toString('latin1').replaceAll(/^\./gm, '..')}.\r\n`, 'latin1')
}

/** The letter in an INBOX whose header or text holds `text`. */
function inboxLetter(client: ImapClient, text: string): Promise<Buffer> {
  return eventually(
    async () => {
      await client.select('INBOX')
      const found = await client.must(`SEARCH TEXT "${text}"`)
      const [number] = /^\* SEARCH (\d+)/m.exec(found.untagged.map((line) => line.text).join('\n'))?.slice(1) ?? []
      return number === undefined ? undefined : (await client.fetchBodies(number)).get(Number(number))
    },
    { what: `a letter with ${text} in the inbox`, deadlineMs: 30_000, everyMs: 150 },
  )
}

function header(bytes: Buffer): string {
  const text = bytes.toString('latin1')
  return text.slice(0, text.indexOf('\r\n\r\n') + 2)
}

const needs = skipWithout('postconf', 'exim4', 'openssl')

test('letters both ways with Postfix and Exim', { skip: needs, timeout: 180_000 }, async (t) => {
  const stage = new Stage(t)
  const authority = await TestAuthority.create()
  const many = Array.from({ length: recipientsMany }, (_, index) => `r${index}`)
  const usersOf = (name: string) => ['ann', '林', ...many].map((local) => `${local}@${name}`)
  const node = await startNode({
    name: 'skein',
    domains: [domain],
    users: { [anna]: password, [lin]: password },
    settings: { smtp: { trusted: ['127.0.0.0/8'] } },
  })
  stage.add(node)
  const routes = { [domain]: `${node.address}:${ports.smtp}` }
  const certificate = await authority.issue('mx.peer.test')
  const secure = { certificate, routes, sendingTls: 'encrypt' } as const
  const clear = { routes, sendingTls: 'none' } as const
  const [postfix, postfixClear, exim, eximClear] = await Promise.all([
    Postfix.start({ users: usersOf('postfix.test'), ...secure }),
    Postfix.start({ users: usersOf('clear.postfix.test'), ...clear }),
    Exim.start({ users: usersOf('exim.test'), ...secure }),
    Exim.start({ users: usersOf('clear.exim.test'), ...clear }),
  ])
  for (const server of [postfix, postfixClear, exim, eximClear]) stage.cleanup(() => server.stop())
  const peers: PeerPlace[] = [
    { name: 'Postfix, STARTTLS', domain: 'postfix.test', tls: true, server: postfix },
    { name: 'Postfix, plain', domain: 'clear.postfix.test', tls: false, server: postfixClear },
    { name: 'Exim, STARTTLS', domain: 'exim.test', tls: true, server: exim },
    { name: 'Exim, plain', domain: 'clear.exim.test', tls: false, server: eximClear },
  ]
  const toml = peers.map(({ domain: name, server }) => `"${name}" = "${server.address}:${server.port}"\n`)
  node.appendSettings(`\n[outside.routes]\n${toml.join('')}`)
  await node.restart()
  const inbox = await imapOf(node, anna)
  stage.cleanup(() => inbox.link.destroy())

  for (const { name, domain: peerDomain, tls, server } of peers) {
    const ann = `ann@${peerDomain}`

    await stage.independent(`${name}: every kind of letter goes out as it was`, async () => {
      const sent: { mark: string; bytes: Buffer }[] = []
      for (const lines of Object.values(kinds)) {
        const one = letterOf(anna, ann, ...lines())
        await submit(node, anna, [ann], one.bytes)
        sent.push(one)
      }
      for (const { mark, bytes } of sent) {
        const arrived = await server.letterWith(ann, mark)
        endsWithLetter(arrived, bytes)
        const top = header(arrived)
        assert.match(top, new RegExp(`^Return-path: <${anna}>\r$`, 'im'))
        assert.equal(/using TLSv1|with e?smtps /i.test(top), tls, top)
      }
    })

    await stage.independent(`${name}: every kind of letter comes in as it was`, async () => {
      for (const lines of Object.values(kinds)) {
        const { mark, bytes } = letterOf(ann, anna, ...lines())
        await handTo(server, ann, [anna], bytes, ' BODY=8BITMIME')
        const arrived = await inboxLetter(inbox, mark)
        endsWithLetter(arrived, bytes)
        const top = header(arrived)
        assert.match(top, new RegExp(`^Return-Path: <${ann}>\r$`, 'm'))
        assert.match(top, tls ? /\bwith ESMTPS\b/ : /\bwith ESMTP\b/)
      }
    })

    await stage.independent(`${name}: names and headers in Chinese, both ways`, async () => {
      const far = `林@${peerDomain}`
      const out = letterOf(lin, far, 'Subject: 鸿雁传书', ...plainText, '', '雁足传书')
      await using client = await submissionTo(node, lin)
      await client.expect(`MAIL FROM:<${lin}> SMTPUTF8 BODY=8BITMIME`, 250)
      await client.expect(`RCPT TO:<${far}>`, 250)
      await client.expect('DATA', 354)
      client.link.write(dotted(out.bytes))
      assert.equal((await client.reply()).code, 250)
      endsWithLetter(await server.letterWith(far, out.mark), out.bytes)
      const back = letterOf(far, lin, 'Subject: 回信', ...plainText, '', '来信收到')
      await handTo(server, far, [lin], back.bytes, ' SMTPUTF8 BODY=8BITMIME')
      await using linInbox = await imapOf(node, lin)
      const arrived = await inboxLetter(linInbox, back.mark)
      endsWithLetter(arrived, back.bytes)
      assert.match(header(arrived), tls ? /with UTF8SMTPS/ : /with UTF8SMTP\b/)
    })

    await stage.independent(`${name}: bounces are understood, both ways`, async () => {
      const lost = letterOf(anna, `nobody@${peerDomain}`, 'Subject: to nobody there', '', 'lost')
      await submit(node, anna, [`nobody@${peerDomain}`], lost.bytes)
      const notice = (await inboxLetter(inbox, lost.mark)).toString()
      assert.match(notice, /^Return-Path: <>\r$/m)
      assert.match(notice, /^Content-Type: multipart\/report; report-type=delivery-status/m)
      assert.match(notice, new RegExp(`^Final-Recipient: rfc822; ?nobody@${peerDomain}\r$`, 'm'))
      assert.match(notice, /^Action: failed\r$/m)
      assert.match(notice, /^Status: 5\.\d\.\d\r$/m)
      assert.match(notice, new RegExp(`^Remote-MTA: dns; ?.*${server.address.replaceAll('.', '\\.')}`, 'm'))
      const wrong = letterOf(ann, `nobody@${domain}`, 'Subject: to nobody here', '', 'lost')
      await handTo(server, ann, [`nobody@${domain}`], wrong.bytes)
      const returned = (await server.letterWith(ann, wrong.mark)).toString()
      assert.match(returned, /^Return-path: <>\r$/im)
      assert.match(returned, /550[ -]5\.1\.1/)
      assert.match(returned, /^Action: failed\r$/m)
    })
  }

  for (const { name, domain: peerDomain, server } of peers.filter(({ tls }) => tls)) {
    const ann = `ann@${peerDomain}`

    await stage.independent(`${name}: ${recipientsMany} recipients get one each`, async () => {
      const { mark, bytes } = letterOf(anna, `many@${peerDomain}`, 'Subject: to many', '', 'to all')
      const all = many.map((local) => `${local}@${peerDomain}`)
      await submit(node, anna, all, bytes)
      for (const recipient of all) endsWithLetter(await server.letterWith(recipient, mark), bytes)
      for (const recipient of all) assert.equal(server.letters(recipient).length, 1, recipient)
    })

    await stage.independent(`${name}: 20 MB go and come back the same`, async () => {
      const line = `${'0123456789'.repeat(7)}\r\n`
      const body = line.repeat(Math.ceil(largeBytes / line.length))
      const out = letterOf(anna, ann, 'Subject: large', '', body)
      await submit(node, anna, [ann], out.bytes)
      endsWithLetter(await server.letterWith(ann, out.mark, 30_000), out.bytes)
      const back = letterOf(ann, anna, 'Subject: large', '', body)
      await handTo(server, ann, [anna], back.bytes)
      endsWithLetter(await inboxLetter(inbox, back.mark), back.bytes)
    })
  }
})

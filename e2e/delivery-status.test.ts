// Delivery status as its sender asked for it (RFC 3461), between Skein and Postfix, both ways: NOTIFY, RET, ENVID and ORCPT are honoured,
// passed on, and come back in reports that the other side's people can read; nobody reports on a report.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from './harness/poll.ts'
import { Postfix } from './harness/postfix.ts'
import { type SkeinNode, ports, startNode } from './harness/skein.ts'
import { SmtpClient } from './harness/smtp-client.ts'
import { SmtpSink } from './harness/smtp-sink.ts'
import { Stage, imapOf, password, submissionTo } from './harness/stage.ts'
import { skipWithout } from './system-packages.ts'

const anna = 'anna@skein.test'
const ann = 'ann@postfix.test'
let letters = 0

function letterOf(from: string, to: string): { id: string; text: string } {
  letters += 1
  const id = `dsn-${letters}-${process.pid}@dsn.test`
  const head = [`From: <${from}>`, `To: <${to}>`, 'Subject: with wishes', 'Date: Mon, 30 Nov 2026 08:00:00 +0800']
  return { id, text: [...head, `Message-ID: <${id}>`, '', 'the body of the letter', ''].join('\r\n') }
}

interface Wish {
  mail?: string
  /** Recipient -> its parameters. */
  to: Record<string, string>
}

async function send(client: SmtpClient, from: string, wish: Wish): Promise<string> {
  const { id, text } = letterOf(from, Object.keys(wish.to).join('>, <'))
  await client.expect(`MAIL FROM:<${from}> ${wish.mail ?? ''}`.trimEnd(), 250)
  for (const [to, parameters] of Object.entries(wish.to))
    await client.expect(`RCPT TO:<${to}> ${parameters}`.trimEnd(), 250)
  await client.expect('DATA', 354)
  await client.expect(`${text}\r\n.`, 250)
  return id
}

async function lettersOf(node: SkeinNode, user: string): Promise<string[]> {
  await using client = await imapOf(node, user)
  if ((await client.count('INBOX')) === 0) return []
  await client.select('INBOX')
  return [...(await client.fetchBodies('1:*')).values()].map((bytes) => bytes.toString('latin1'))
}

/** Fields of a report: those of the letter, then one group for each recipient. RFC 3464 §2.1 */
function fieldsOf(report: string): Map<string, string>[] {
  const part = /^Content-Type: message\/(?:global-)?delivery-status[^]*?\r\n\r\n([^]*?)\r\n--/m.exec(report)?.[1] ?? ''
  return part
    .trim()
    .split('\r\n\r\n')
    .map((group) => {
      const lines = group.replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n')
      return new Map(
        lines.map((line) => {
          const colon = line.indexOf(':')
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
        }),
      )
    })
}

function assertReport(
  report: string,
  expected: { letter?: Record<string, RegExp>; recipient: Record<string, RegExp> },
): void {
  assert.match(report, /^Return-path: <>\r$/im)
  assert.match(report, /^Auto-Submitted: auto-/im)
  assert.match(report, /^Content-Type: multipart\/report;[^]*?report-type=delivery-status/m)
  const [letter = new Map<string, string>(), recipient = new Map<string, string>()] = fieldsOf(report)
  for (const [name, value] of Object.entries(expected.letter ?? {}))
    assert.match(letter.get(name) ?? `no ${name}`, value)
  for (const [name, value] of Object.entries(expected.recipient)) {
    assert.match(recipient.get(name) ?? `no ${name}`, value, report)
  }
}

test('what a sender asked for, with Postfix', { skip: skipWithout('postconf'), timeout: 120_000 }, async (t) => {
  const stage = new Stage(t)
  const node = await startNode({
    name: 'skein',
    domains: ['skein.test'],
    users: { [anna]: password },
    settings: { smtp: { trusted: ['127.0.0.0/8'] } },
  })
  stage.add(node)
  const postfix = await Postfix.start({
    users: [ann],
    hostName: 'mx.postfix.test',
    routes: { 'skein.test': `${node.address}:${ports.smtp}` },
  })
  stage.cleanup(() => postfix.stop())
  // A host that knows nothing of DSN: what is asked of it ends here.
  const old = await SmtpSink.start({
    extensions: ['PIPELINING', '8BITMIME'],
    answerRcpt: (address) => (address.startsWith('nobody') ? '550 5.1.1 no such user\r\n' : undefined),
  })
  stage.cleanup(() => old.stop())
  node.appendSettings(`\n[outside.routes]\n"postfix.test" = "${postfix.address}:25"\n"old.test" = "${old.route}"\n`)
  await node.restart()

  /** The report about letter `id` that a user of the node gets. */
  const toAnna = (id: string) =>
    eventually(async () => (await lettersOf(node, anna)).find((one) => one.includes(id)), {
      what: `a report about ${id} for Anna`,
      everyMs: 150,
    })

  async function fromPostfix(wish: Wish): Promise<string> {
    await using client = await SmtpClient.connect({ host: postfix.address, port: postfix.port })
    await client.ehlo()
    return await send(client, ann, wish)
  }

  async function fromSkein(wish: Wish): Promise<string> {
    await using client = await submissionTo(node, anna)
    return await send(client, anna, wish)
  }

  await stage.independent('Postfix asks Skein for success: delivered, with ENVID and ORCPT', async () => {
    const id = await fromPostfix({
      mail: 'RET=HDRS ENVID=goose+2B42',
      to: { [anna]: 'NOTIFY=SUCCESS ORCPT=rfc822;first+2Bname@elsewhere.test' },
    })
    const report = (await postfix.letterWith(ann, 'Action: delivered')).toString('latin1')
    assert.ok(report.includes(id))
    assertReport(report, {
      letter: { 'original-envelope-id': /^goose\+42$/, 'reporting-mta': /^dns; ?skein\.skein\.test$/ },
      recipient: {
        action: /^delivered$/,
        status: /^2\.\d\.\d$/,
        'final-recipient': /^rfc822; ?anna@skein\.test$/,
        'original-recipient': /^rfc822; ?first\+name@elsewhere\.test$/,
      },
    })
    assert.doesNotMatch(report, /the body of the letter/)
  })

  await stage.independent('Skein asks Postfix for success: Postfix reports, with ENVID and ORCPT', async () => {
    const id = await fromSkein({
      mail: 'RET=HDRS ENVID=skein+2B1',
      to: { [ann]: 'NOTIFY=SUCCESS ORCPT=rfc822;some+2Bone@elsewhere.test' },
    })
    const report = await toAnna(id)
    assertReport(report, {
      letter: { 'original-envelope-id': /^skein\+1$/, 'reporting-mta': /^dns; ?mx\.postfix\.test$/ },
      recipient: {
        action: /^delivered$/,
        'final-recipient': /^rfc822; ?ann@postfix\.test$/,
        'original-recipient': /^rfc822; ?some\+one@elsewhere\.test$/,
      },
    })
  })

  await stage.independent('a host without DSN: Skein says that it was handed on there', async () => {
    const id = await fromSkein({ mail: 'ENVID=relay', to: { 'far@old.test': 'NOTIFY=SUCCESS,FAILURE' } })
    const report = await toAnna(id)
    assertReport(report, {
      letter: { 'original-envelope-id': /^relay$/ },
      recipient: { action: /^relayed$/, 'final-recipient': /^rfc822; ?far@old\.test$/, status: /^2\./ },
    })
  })

  for (const ret of ['FULL', 'HDRS'] as const) {
    await stage.independent(`RET=${ret}: Skein's bounce of a refused letter`, async () => {
      const id = await fromSkein({ mail: `RET=${ret} ENVID=back`, to: { 'nobody@postfix.test': 'NOTIFY=FAILURE' } })
      const report = await toAnna(id)
      assertReport(report, {
        letter: { 'original-envelope-id': /^back$/ },
        recipient: {
          action: /^failed$/,
          status: /^5\.1\.1$/,
          'remote-mta': /^dns; ?/,
          'diagnostic-code': /^smtp; ?550 5\.1\.1 /,
        },
      })
      assert.equal(/the body of the letter/.test(report), ret === 'FULL')
    })

    await stage.independent(`RET=${ret}: Postfix's bounce of a letter that Skein refused`, async () => {
      const id = await fromPostfix({ mail: `RET=${ret} ENVID=back`, to: { 'nobody@skein.test': 'NOTIFY=FAILURE' } })
      const report = (await postfix.letterWith(ann, id)).toString('latin1')
      assertReport(report, {
        letter: { 'original-envelope-id': /^back$/ },
        recipient: { action: /^failed$/, status: /^5\.1\.1$/, 'final-recipient': /^rfc822; ?nobody@skein\.test$/ },
      })
      assert.equal(/the body of the letter/.test(report), ret === 'FULL')
    })
  }

  await stage.independent('each recipient as it was asked: one failure is told, NEVER is never', async () => {
    const id = await fromSkein({
      mail: 'ENVID=mixed',
      to: {
        'nobody-a@old.test': 'NOTIFY=FAILURE',
        'nobody-b@old.test': 'NOTIFY=NEVER',
        'nobody-c@old.test': 'NOTIFY=SUCCESS',
        'far-d@old.test': 'NOTIFY=FAILURE',
      },
    })
    const report = await toAnna(id)
    assert.match(report, /nobody-a@old\.test/)
    const named = fieldsOf(report)
      .slice(1)
      .map((group) => group.get('final-recipient'))
    assert.deepEqual(named, ['rfc822; nobody-a@old.test'])
    await eventually(async () => (await node.json<unknown[]>(['queue', 'list'])).length === 0, {
      what: 'an empty queue',
    })
    assert.equal((await lettersOf(node, anna)).filter((one) => one.includes(id)).length, 1)
  })

  await stage.independent('NEVER, and nothing wished: no report of success from either side', async () => {
    const ids = [
      await fromSkein({ to: { 'nobody-x@old.test': 'NOTIFY=NEVER' } }),
      await fromSkein({ to: { [ann]: '' } }),
      await fromPostfix({ to: { [anna]: 'NOTIFY=NEVER' } }),
      await fromPostfix({ to: { [anna]: '' } }),
    ]
    await postfix.letterWith(ann, ids[1] as string)
    for (const id of ids.slice(2)) await toAnna(id)
    await eventually(async () => (await node.json<unknown[]>(['queue', 'list'])).length === 0, {
      what: 'an empty queue',
    })
    await eventually(async () => (await postfix.queue()).length === 0, { what: 'an empty queue at Postfix' })
    // What each has is the letters themselves.
    const all = [...(await lettersOf(node, anna)), ...postfix.letters(ann).map((bytes) => bytes.toString('latin1'))]
    for (const id of ids) {
      for (const one of all.filter((text) => text.includes(id))) assert.doesNotMatch(one, /multipart\/report/)
    }
  })

  await stage.independent('nobody reports to nobody: a letter from <> that fails leaves nothing behind', async () => {
    await using client = await SmtpClient.connect({ host: postfix.address, port: postfix.port })
    await client.ehlo()
    await send(client, '', { to: { 'nobody@skein.test': 'NOTIFY=SUCCESS,FAILURE,DELAY' } })
    await using own = await submissionTo(node, anna)
    const before = (await lettersOf(node, anna)).length
    await send(own, '', { to: { 'nobody@postfix.test': 'NOTIFY=SUCCESS,FAILURE,DELAY', [ann]: 'NOTIFY=SUCCESS' } })
    await eventually(async () => (await node.json<unknown[]>(['queue', 'list'])).length === 0, {
      what: 'an empty queue',
    })
    await eventually(async () => (await postfix.queue()).length === 0, { what: 'an empty queue at Postfix' })
    assert.equal((await lettersOf(node, anna)).length, before)
  })

  await stage.independent('Postfix takes a letter in chunks, and Skein gets it whole', async () => {
    await using client = await SmtpClient.connect({ host: postfix.address, port: postfix.port })
    await client.ehlo()
    const text = `${letterOf(ann, anna).text}${'0123456789'.repeat(99)}\r\n`.repeat(2)
    await client.expect(`MAIL FROM:<${ann}>`, 250)
    await client.expect(`RCPT TO:<${anna}>`, 250)
    for (const [at, part] of [text.slice(0, 700), text.slice(700)].entries()) {
      client.link.write(`BDAT ${Buffer.byteLength(part)}${at === 1 ? ' LAST' : ''}\r\n${part}`)
      assert.equal((await client.reply()).code, 250)
    }
    const id = /Message-ID: <([^>]+)>/.exec(text)?.[1] ?? ''
    assert.ok((await toAnna(id)).endsWith(text))
  })
})

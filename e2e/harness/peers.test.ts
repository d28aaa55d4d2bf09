// The real peers of the other e2e tests: each takes and refuses mail, sends along its routes, and leaves no process behind.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { skipWithout } from '../system-packages.ts'
import { Exim } from './exim.ts'
import { eventually } from './poll.ts'
import { Postfix } from './postfix.ts'
import { SmtpClient } from './smtp-client.ts'
import { Stage } from './stage.ts'
import { TestAuthority } from './test-authority.ts'

/** Processes that name `directory` in their arguments. */
function processesOf(directory: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory)
    } catch {
      return false
    }
  })
}

test('Postfix and Exim as peers', { skip: skipWithout('postconf', 'exim4', 'openssl'), timeout: 60_000 }, async (t) => {
  const stage = new Stage(t)
  const authority = await TestAuthority.create()
  const postfix = await Postfix.start({
    users: ['ann@postfix.test', '林@postfix.test'],
    certificate: await authority.issue('mx.postfix.test'),
  })
  stage.cleanup(() => postfix.stop())
  const exim = await Exim.start({
    users: ['bob@exim.test', '林@exim.test'],
    certificate: await authority.issue('mx.exim.test'),
    routes: { 'postfix.test': `${postfix.address}:${postfix.port}` },
    sendingTls: 'encrypt',
  })
  stage.cleanup(() => exim.stop())
  // Each sends to the other only once both addresses are known.
  const next = `inline:{ { exim.test = smtp:[${exim.address}]:${exim.port} }, { postfix.test = virtual: } }`
  await postfix.restart({ transport_maps: next })

  for (const [own, peer, sender, recipient] of [
    [postfix, exim, 'ann@postfix.test', 'bob@exim.test'],
    [exim, postfix, 'bob@exim.test', 'ann@postfix.test'],
  ] as const) {
    await stage.independent(`${sender} writes to ${recipient} over STARTTLS`, async () => {
      await using client = await SmtpClient.connect({ host: own.address, port: own.port })
      await client.ehlo()
      await client.startTls()
      const reply = await client.send(sender, [recipient], `Subject: across\r\n\r\nFrom ${sender}\r\n`)
      assert.equal(reply.code, 250, reply.text)
      const letter = (await peer.letterWith(recipient, `From ${sender}\r\n`)).toString()
      assert.match(letter, /using TLS|with esmtps/i)
      assert.match(letter, /^Return-path: <\S+>\r\n/i)
    })
  }

  await stage.independent('names that neither has are refused, and mail to nowhere', async () => {
    for (const [own, unknown] of [
      [postfix, 'nobody@postfix.test'],
      [exim, 'nobody@exim.test'],
    ] as const) {
      await using client = await SmtpClient.connect({ host: own.address, port: own.port })
      await client.ehlo()
      await client.expect('MAIL FROM:<a@b.test>', 250)
      await client.expect(`RCPT TO:<${unknown}>`, 550)
    }
  })

  await stage.independent('addresses beyond ASCII are mailboxes of both', async () => {
    for (const [own, user] of [
      [postfix, '林@postfix.test'],
      [exim, '林@exim.test'],
    ] as const) {
      await using client = await SmtpClient.connect({ host: own.address, port: own.port })
      await client.ehlo()
      assert.ok(client.extensions.has('SMTPUTF8') && client.extensions.has('CHUNKING') && client.extensions.has('DSN'))
      await client.expect(`MAIL FROM:<a@b.test> SMTPUTF8`, 250)
      await client.expect(`RCPT TO:<${user}>`, 250)
      await client.expect('DATA', 354)
      await client.expect('Subject: 鸿雁\r\n\r\n你好\r\n.', 250)
      await own.letterWith(user, '你好')
    }
  })

  await stage.independent('nothing is left running', async () => {
    await Promise.all([postfix.stop(), exim.stop()])
    await eventually(() => processesOf(postfix.directory).length + processesOf(exim.directory).length === 0, {
      what: 'the end of all their processes',
    })
  })
})

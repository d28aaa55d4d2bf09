// The door of a mesh: three nodes judge strangers alike, whichever they knock at, and remember it over a restart.
import assert from 'node:assert/strict'
import { get } from 'node:http'
import { text as textOf } from 'node:stream/consumers'
import { test } from 'node:test'
import { loopbackAddress } from './harness/addresses.ts'
import { DnsWorld, dnsWorldPrograms } from './harness/dns-world.ts'
import { ImapClient } from './harness/imap-client.ts'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, ports, startMesh } from './harness/skein.ts'
import { SmtpClient } from './harness/smtp-client.ts'
import { Stage, imapOf, letter, password } from './harness/stage.ts'
import { skipWithout } from './system-packages.ts'

const user = 'aaa@test.com'
const greylistPauseMs = 4_000
const unknownRecipientsMax = 8

const reversed = (address: string) => address.split('.').toReversed().join('.')

/** A session of a stranger's mail system, greeted. */
async function knock(node: SkeinNode, from: string): Promise<SmtpClient> {
  const client = await SmtpClient.connect({ host: node.address, port: ports.smtp, from })
  if (client.greeting.code === 220) await client.ehlo('stranger.test')
  return client
}

/** One letter, up to RCPT or to its end. @returns the last reply */
async function send(node: SkeinNode, from: string, sender: string, to = user): Promise<string> {
  await using client = await knock(node, from)
  if (client.greeting.code !== 220) return client.greeting.text
  const mail = await client.command(`MAIL FROM:<${sender}>`)
  if (mail.code !== 250) return mail.text
  const recipient = await client.command(`RCPT TO:<${to}>`)
  if (recipient.code !== 250) return recipient.text
  await client.expect('DATA', 354)
  client.link.write(`${letter(sender, to, 'from a stranger').text}.\r\n`)
  return (await client.reply()).text
}

async function metric(node: SkeinNode, name: string): Promise<number> {
  // fetch() refuses the port.
  const text = await new Promise<string>((resolve, reject) => {
    const request = get({ host: node.address, port: ports.http, path: '/metrics' }, (response) => {
      resolve(textOf(response))
    })
    request.on('error', reject)
  })
  const line = text.split('\n').find((it) => it.startsWith(`${name} `) || it.startsWith(`${name}{`))
  return Number(line?.split(' ').at(-1))
}

test('the door of three nodes', { timeout: 240_000, skip: skipWithout(...dnsWorldPrograms) }, async (t) => {
  const stage = new Stage(t)
  const clients = await Promise.all(Array.from({ length: 9 }, () => loopbackAddress()))
  const [named, nameless, guesser, listed, busy, blocked, guessing, mailer, lost] = clients as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  const sound = ['2.0.0.127 A 127.0.0.2']
  const world = await DnsWorld.start({
    // Everybody but the nameless one has a host name.
    '127.in-addr.arpa': {
      lines: clients
        .filter((address) => address !== nameless && address !== lost)
        .map(
          (address) => `${reversed(address).replace(/\.127$/, '')} PTR h${address.replaceAll('.', '-')}.there.test.`,
        ),
    },
    'there.test': { lines: clients.map((address) => `h${address.replaceAll('.', '-')} A ${address}`) },
    'bl.test': {
      lines: [...sound, `${reversed(listed)} A 127.0.0.4`, `${reversed(listed)} TXT "seen sending spam"`],
    },
  })
  stage.cleanup(() => world.stop())
  let nodes: SkeinNode[] = []
  let [a, b, c] = [] as unknown as [SkeinNode, SkeinNode, SkeinNode]

  await stage.step('three nodes, which trust nobody', async () => {
    nodes = await startMesh(['a', 'b', 'c'], {
      domains: ['test.com'],
      settings: {
        smtp: { trusted: [], 'user-letters-per-hour-max': 5 },
        outside: { 'dns-servers': [world.resolver] },
        door: {
          'greylist-pause-seconds': greylistPauseMs / 1000,
          lists: ['bl.test', 'silent.nowhere.test'],
          'unknown-recipients-max': unknownRecipientsMax,
          'letters-per-address-max': 12,
        },
      },
    })
    stage.add(...nodes)
    ;[a, b, c] = nodes as [SkeinNode, SkeinNode, SkeinNode]
    await a.addUser(user, password)
    await eventually(async () => (await c.users()).length === 1 && (await b.users()).length === 1, {
      what: 'the user is known everywhere',
    })
  })

  await stage.step('who has a host name comes in, and the name stands in Received', async () => {
    assert.match(await send(b, named, 'x@there.test'), /^250 /)
    const host = `h${named.replaceAll('.', '-')}.there.test`
    const reader = await imapOf(a, user)
    try {
      await reader.must('SELECT INBOX')
      await eventually(
        async () => {
          const headers = await reader.fetchBodies('1:*', 'BODY.PEEK[HEADER]')
          return [...headers.values()].some((header) => header.includes(host))
        },
        { what: `a Received field with ${host}` },
      )
    } finally {
      reader.link.destroy()
    }
  })

  await stage.step('a greylisted letter is tried again at another node, and passes there', async () => {
    const before = await metric(b, 'skein_door_records')
    assert.match(await send(a, nameless, 'y@elsewhere.test'), /^451 4\.7\.1 .*try again in \d s/)
    const triedMs = Date.now()
    await eventually(async () => (await metric(b, 'skein_door_records')) > before, {
      what: 'the second node knows of the first try',
      deadlineMs: 5_000,
    })
    // The greylist is about time: the pause itself must go by. The second node is asked once.
    await eventually(() => Date.now() > triedMs + greylistPauseMs, { what: 'the pause is over' })
    assert.match(await send(b, nameless, 'y@elsewhere.test'), /^250 /)
  })

  await stage.step('a listed address is told so, and can complain', async () => {
    assert.match(await send(c, listed, 'z@there.test'), /^554 5\.7\.1 .*bl\.test: seen sending spam/)
    await using client = await knock(c, listed)
    await client.expect('MAIL FROM:<z@there.test>', 250)
    assert.notEqual((await client.command('RCPT TO:<postmaster@test.com>')).code, 554)
    assert.ok((await metric(c, 'skein_door_refused_total{reason="listed"}')) >= 1)
    assert.match(c.log, /"zone":"silent\.nowhere\.test"/)
  })

  await stage.step('a dictionary attack waits, is banned everywhere, and bothers nobody', async () => {
    await using client = await knock(a, guesser)
    await client.expect('MAIL FROM:<x@there.test>', 250)
    const guesses = Array.from({ length: 30 }, (_, n) => `RCPT TO:<guess${n}@test.com>\r\n`).join('')
    client.link.write(guesses)
    const startMs = performance.now()
    let code = 550
    let answered = 0
    let besideMs = 0
    while (code === 550) {
      ;({ code } = await client.reply(60_000))
      if (code === 550) answered += 1
      if (answered !== 6) continue
      // Beside it, somebody honest.
      const beganMs = performance.now()
      assert.match(await send(a, mailer, 'honest@there.test'), /^250 /)
      besideMs = performance.now() - beganMs
    }
    assert.equal(code, 421)
    assert.ok(answered >= unknownRecipientsMax - 1 && answered <= unknownRecipientsMax, `${answered} answers`)
    // 1 s, 2 s, 4 s for the sixth, seventh and eighth.
    assert.ok(performance.now() - startMs >= 6_500, `${performance.now() - startMs} ms`)
    assert.ok(besideMs > 0 && besideMs < 3_000, `${besideMs} ms for a letter beside it`)
    for (const node of [a, b, c]) {
      await eventually(async () => (await send(node, guesser, 'x@there.test')).startsWith('421 4.7.1 '), {
        what: `${node.name} sends the guesser away`,
        deadlineMs: 5_000,
      })
    }
    const bans = await c.json<{ address: string; by: string }[]>(['ban', 'list'])
    assert.deepEqual(
      bans.map(({ address, by }) => [address, by]),
      [[guesser, 'a']],
    )
  })

  await stage.step('limits of addresses and users hold over all nodes', async () => {
    const outcomes: string[] = []
    for (let n = 0; n < 20 && !outcomes.at(-1)?.startsWith('451'); n++) {
      outcomes.push(await send([a, b, c][n % 3] as SkeinNode, busy, 'news@there.test'))
    }
    const taken = outcomes.filter((text) => text.startsWith('250')).length
    assert.ok(taken >= 12 && taken <= 15, outcomes.join('\n'))
    assert.match(outcomes.at(-1) ?? '', /^451 4\.7\.1 too many letters/)
    const submit = async (node: SkeinNode, text: string) => {
      await using client = await SmtpClient.connect({ host: node.address, port: ports.submission, from: mailer })
      await client.ehlo()
      await client.login(user, password)
      const { code, text: said } = await client.send(user, [user], text)
      return `${code} ${said}`
    }
    for (let n = 0; n < 5; n++) assert.match(await submit(a, letter(user, user, `mine ${n}`).text), /^250 /)
    const spent = /^450 .*4\.7\.1 5 letters an hour are the most/
    assert.match(await submit(a, letter(user, user, 'too much').text), spent)
    await eventually(async () => spent.test(await submit(b, letter(user, user, 'too much').text)), {
      what: 'the user meets the limit at another node',
      deadlineMs: 5_000,
    })
  })

  await stage.step('wrong passwords at one node count at the others', async () => {
    const guess = async (node: SkeinNode, port: number) => {
      await using client = await ImapClient.connect({ host: node.address, port, from: guessing })
      return await client.command(`LOGIN ${user} wrong`)
    }
    for (let n = 0; n < 7; n++) await guess(a, ports.imap)
    await eventually(
      async () => {
        await using client = await SmtpClient.connect({ host: c.address, port: ports.submission, from: guessing })
        await client.ehlo()
        const plain = Buffer.from(`\0${user}\0wrong`).toString('base64')
        return (await client.command(`AUTH PLAIN ${plain}`)).code === 454
      },
      { what: 'submission at another node makes the guesser wait', deadlineMs: 5_000 },
    )
    // Others log in as ever.
    await using reader = await ImapClient.connect({ host: c.address, port: ports.imap, from: mailer })
    assert.match((await reader.command(`LOGIN ${user} "${password}"`)).text, /^OK /)
  })

  await stage.step('the operator blocks and allows at one node, and it holds at all', async () => {
    await b.must(['block', 'add', `${blocked}/32`, '--reason', 'see https://test.com/blocked'])
    await b.must(['block', 'add', 'bad.test', '--for', '1h'])
    await eventually(async () => (await send(c, blocked, 'x@there.test')).startsWith('554 5.7.1 '), {
      what: 'the blocked address is refused',
    })
    await eventually(async () => (await send(a, named, 'x@sub.bad.test')).startsWith('550 5.7.1 '), {
      what: 'the blocked sender is refused',
    })
    assert.equal((await a.json<unknown[]>(['block', 'list'])).length, 2)
    await a.must(['allow', 'add', lost])
    await eventually(async () => (await send(c, lost, 'w@elsewhere.test')).startsWith('250 '), {
      what: 'the allowed address need not come twice',
    })
    await c.must(['block', 'remove', `${blocked}/32`])
    await eventually(async () => (await send(a, blocked, 'x@there.test')).startsWith('250 '), {
      what: 'it may come in',
    })
    assert.equal((await a.command(['block', 'add', 'not an address'])).code, 1)
    assert.equal((await a.command(['block', 'remove', '192.0.2.1'])).code, 1)
  })

  await stage.step('after all nodes have restarted they know the same', async () => {
    // Whatever was said is on disk by then.
    await Promise.all(nodes.map((node) => node.stop()))
    await Promise.all(nodes.map((node) => node.start()))
    for (const node of nodes) {
      assert.match(await send(node, guesser, 'x@there.test'), /^421 4\.7\.1 /)
      assert.match(await send(node, nameless, 'y@elsewhere.test'), /^250 /)
    }
    assert.match(await send(a, busy, 'news@there.test'), /^451 4\.7\.1 /)
  })

  await stage.step('a ban that is lifted at one node is lifted at all', async () => {
    await c.must(['ban', 'lift', guesser])
    for (const node of nodes) {
      await eventually(async () => (await send(node, guesser, 'x@there.test')).startsWith('250 '), {
        what: `${node.name} lets it in again`,
        deadlineMs: 10_000,
      })
    }
    assert.equal((await a.command(['ban', 'lift', guesser])).code, 1)
    const { stdout } = await a.must(['status'])
    assert.match(stdout, /door: \d+ visits, \d+ refusals, 0 bans/)
  })
})

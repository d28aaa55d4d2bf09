// Whoever logs in at another node than their home is served as at home: the session is carried there. When the home dies in
// the middle they are told so, and a new login works once it is back. What it costs is printed.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createScramClient } from '@skein/testkit'
import { ImapFlow } from 'imapflow'
import { mbsyncJob } from './clients/mbsync-job.ts'
import { runJobs } from './clients/run-jobs.ts'
import { fillMailbox } from './harness/fill.ts'
import { ImapClient } from './harness/imap-client.ts'
import { Pop3Client } from './harness/pop3-client.ts'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, ports, startMesh } from './harness/skein.ts'
import { Stage, imapOf, letter, submissionTo } from './harness/stage.ts'

const password = 'a goose in flight 42'
const user = 'ccc@test.com'
const mebibyte = 1024 * 1024

function residentBytes(node: SkeinNode): number {
  const status = readFileSync(`/proc/${node.process?.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
}

/** Sends `base64` and gives the bytes of the challenge, of IMAP (`+ `) or SMTP (`334 `). */
function challengeOf(line: string): string {
  return Buffer.from(line.replace(/^(?:\+|334) /, ''), 'base64').toString()
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** Round trips of NOOP in milliseconds, shortest first. */
async function roundTrips(client: ImapClient, count: number): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const startMs = performance.now()
    await client.must('NOOP')
    times.push(performance.now() - startMs)
  }
  return times.sort((a, b) => a - b)
}

test('mbsync at another node', { timeout: 200_000 }, async (t) => {
  await runJobs(new Stage(t), [mbsyncJob], ['elsewhere'])
})

test('any-node login', { timeout: 300_000 }, async (t) => {
  const stage = new Stage(t)
  let edge!: SkeinNode
  let home!: SkeinNode

  /** IMAP over TLS at the edge. */
  const secure = async () => {
    const client = await ImapClient.connect({ host: edge.address, port: ports.imaps, tls: true })
    await client.must(`LOGIN ${user} "${password}"`)
    return client
  }
  const connected = () =>
    eventually(async () => (await edge.nodes()).every(({ state }) => state === 'up'), {
      what: 'the nodes are connected',
    })

  await stage.step('two nodes; the user lives on the second', async () => {
    const nodes = await startMesh(['edge', 'home'])
    stage.add(...nodes)
    ;[edge, home] = nodes as [SkeinNode, SkeinNode]
    await home.addUser(user, password)
    await eventually(async () => (await edge.users()).length === 1, { what: 'the user is known at the edge' })
  })

  await stage.step('the home knows the real client', async () => {
    await using client = await secure()
    await client.must('NOOP')
    const line = await eventually(() => home.log.split('\n').find((it) => it.includes('a session came from')), {
      what: 'the home logs the session',
    })
    assert.match(line, /"protocol":"imap".*"account":"ccc@test.com".*"secure":true.*"tls":"TLSv1\.3 /)
    assert.match(line, /"remoteAddress":"127\./)
  })

  await stage.step('SCRAM-SHA-256 at the edge, proven by the home', async () => {
    await using client = await ImapClient.connect({ host: edge.address, port: ports.imap })
    const scram = createScramClient({ name: user, password, nonce: `n${Date.now()}` })
    client.link.write(`a1 AUTHENTICATE SCRAM-SHA-256 ${base64(scram.first)}\r\n`)
    client.link.write(`${base64(scram.final(challengeOf((await client.line()).text)))}\r\n`)
    assert.ok(scram.isServer(challengeOf((await client.line()).text)))
    client.link.write('\r\n')
    assert.match((await client.line()).text, /^a1 OK \[CAPABILITY /)
    await client.must('SELECT INBOX')
  })

  await stage.step('submission at the edge; imapflow there is told of it in IDLE', async () => {
    const receiver = new ImapFlow({
      host: edge.address,
      port: ports.imap,
      auth: { user, pass: password },
      tls: { rejectUnauthorized: false },
      logger: false,
    })
    await receiver.connect()
    try {
      await receiver.mailboxOpen('INBOX')
      const noticed = new Promise<void>((resolve) => receiver.once('exists', () => resolve()))
      const idling = receiver.idle()
      await using sender = await submissionTo(edge, user)
      const { text } = letter(user, user, 'to myself')
      assert.equal((await sender.send(user, [user], text)).code, 250)
      await noticed
      await receiver.noop()
      await idling
    } finally {
      await receiver.logout()
    }
  })

  await stage.step('POP3 at the edge: fetched, and deleted by QUIT', async () => {
    {
      await using broken = await Pop3Client.login({ host: edge.address, port: ports.pop3s, tls: true }, user, password)
      await broken.must('DELE 1')
    }
    const client = await eventually(
      () => Pop3Client.login({ host: edge.address, port: ports.pop3s, tls: true }, user, password),
      { what: 'the mailbox is free again' },
    )
    assert.equal(await client.count(), 1)
    assert.match((await client.multiLine('RETR 1')).toString(), /Subject: to myself/)
    await client.must('DELE 1')
    await client.quit()
    await using after = await imapOf(home, user, password)
    assert.equal(await after.select('INBOX'), 0)
  })

  await stage.step('500 idle sessions carried at once', async () => {
    const some = () => Promise.all(Array.from({ length: 35 }, () => imapOf(edge, user, password)))
    for (let i = 0; i < 4; i++) for (const client of await some()) client.link.destroy()
    await delay(1_000)
    const before = [edge, home].map(residentBytes)
    const clients: ImapClient[] = []
    // A few at a time, as people come; over the limit of one address neither node would take them.
    while (clients.length < 490) clients.push(...(await some()))
    for (const client of clients) await client.select('INBOX')
    const idles = await Promise.all(clients.map((client) => client.idle()))
    await delay(1_000)
    const after = [edge, home].map(residentBytes)
    const each = after.map((bytes, i) => `${Math.round((bytes - (before[i] ?? 0)) / 1024 / clients.length)} KiB`)
    t.diagnostic(
      `${clients.length} idle carried sessions: ${each[0]} each at the edge, ${each[1]} at the home (plain TCP)`,
    )
    const startMs = performance.now()
    await using sender = await submissionTo(edge, user)
    await sender.send(user, [user], letter(user, user, 'to all of them').text)
    await Promise.all(idles.map((idle) => idle.next()))
    t.diagnostic(
      `a letter submitted at the edge is noticed by all of them after ${Math.round(performance.now() - startMs)} ms`,
    )
    for (const client of clients) client.link.destroy()
  })

  await stage.step('what it costs: round trips and a long letter, at home and carried', async () => {
    const long = letter(user, user, 'long', `${'x'.repeat(70)}\r\n`.repeat(145_636)).text
    await using atHome = await imapOf(home, user, password)
    await fillMailbox(atHome, 'INBOX', [{ text: long }])
    await using carried = await imapOf(edge, user, password)
    for (const [where, client] of [
      ['home', atHome],
      ['carried', carried],
    ] as const) {
      await client.select('INBOX')
      await roundTrips(client, 200)
      const times = await roundTrips(client, 1_000)
      let best = 0
      for (let i = 0; i < 5; i++) {
        const startMs = performance.now()
        const [body] = [...(await client.fetchBodies('2')).values()]
        best = Math.max(best, long.length / mebibyte / ((performance.now() - startMs) / 1000))
        assert.equal(body?.length, Buffer.byteLength(long))
      }
      const [p50, p99] = [times[500] ?? 0, times[990] ?? 0].map((ms) => ms.toFixed(2))
      t.diagnostic(
        `${where}: NOOP p50 ${p50} ms, p99 ${p99} ms; FETCH of ${(long.length / mebibyte).toFixed(1)} MiB ${best.toFixed(0)} MiB/s`,
      )
    }
  })

  await stage.step('the home is killed while one session idles, one reads a letter and one does POP3', async () => {
    const idler = await secure()
    await idler.select('INBOX')
    const idle = await idler.idle()
    const reader = await imapOf(edge, user, password)
    await reader.select('INBOX')
    const pop3 = await Pop3Client.login({ host: edge.address, port: ports.pop3 }, user, password)
    await pop3.must('DELE 1')
    reader.link.socket.pause()
    for (let i = 0; i < 10; i++) reader.link.write(`r${i} FETCH 2 BODY.PEEK[]\r\n`)
    await delay(300)
    await home.kill9()
    const startMs = performance.now()
    assert.match((await idle.next(5_000)).text, /^\* BYE \[UNAVAILABLE\] /)
    assert.match(await pop3.link.line(5_000), /^-ERR \[SYS\/TEMP\] /)
    reader.link.socket.resume()
    const rest = await reader.link.toTheEnd(10_000)
    assert.match(rest.toString('latin1', 0, 20), /^\* 2 FETCH \(BODY/)
    assert.ok(!rest.includes('BYE'), 'nothing is said in the middle of a letter')
    await using again = await ImapClient.connect({ host: edge.address, port: ports.imap })
    const refused = await again.command(`LOGIN ${user} "${password}"`)
    assert.match(refused.text, /^NO \[(REFERRAL|UNAVAILABLE)\b/)
    t.diagnostic(`home killed: told and refused after ${Math.round(performance.now() - startMs)} ms`)
  })

  await stage.step('a login waits for a home that is just coming back; nothing is deleted', async () => {
    const starting = home.start()
    await using client = await eventually(() => imapOf(edge, user, password), { what: 'a login at the edge' })
    assert.equal(await client.select('INBOX'), 2)
    await starting
  })

  await stage.step('a home that falls silent: told within seconds, refused within seconds', async () => {
    const client = await imapOf(edge, user, password)
    await client.select('INBOX')
    const idle = await client.idle()
    home.process?.kill('SIGSTOP')
    const startMs = performance.now()
    await using other = await ImapClient.connect({ host: edge.address, port: ports.imap })
    const refused = other.command(`LOGIN ${user} "${password}"`)
    assert.match((await idle.next(15_000)).text, /^\* BYE \[UNAVAILABLE\] /)
    assert.match((await refused).text, /^NO \[(REFERRAL|UNAVAILABLE)\b/)
    t.diagnostic(`home silent: told and refused after ${((performance.now() - startMs) / 1000).toFixed(1)} s`)
    home.process?.kill('SIGCONT')
    await connected()
    await using again = await eventually(() => imapOf(edge, user, password), { what: 'a login at the edge' })
    assert.equal(await again.select('INBOX'), 2)
  })

  await stage.step('the edge is killed in the middle of an APPEND: the home keeps nothing half-done', async () => {
    const client = await imapOf(edge, user, password)
    client.link.write('a9 APPEND INBOX {1000}\r\n')
    assert.match((await client.line()).text, /^\+/)
    client.link.write('x'.repeat(500))
    await delay(200)
    await edge.kill9()
    await edge.start()
    // At once: it waits for the line to the home.
    await using after = await imapOf(edge, user, password)
    assert.equal(await after.select('INBOX'), 2)
  })

  await stage.step('a node that stops says BYE', async () => {
    for (const node of [edge, home]) {
      const client = await imapOf(edge, user, password)
      await client.select('INBOX')
      const idle = await client.idle()
      await node.stop()
      assert.match((await idle.next(5_000)).text, /^\* BYE The server is stopping/)
      await node.start()
      await connected()
    }
  })

  await stage.step('switched off: the client is told where to go', async () => {
    edge.setSettings({ sessions: { carry: false } })
    await edge.restart()
    await connected()
    await using client = await ImapClient.connect({ host: edge.address, port: ports.imap })
    assert.match((await client.command(`LOGIN ${user} "${password}"`)).text, /^NO \[.*home/)
    edge.setSettings({ sessions: { carry: true } })
    await edge.restart()
    await connected()
  })

  await stage.step('an evicted node loses its sessions at once', async () => {
    const client = await imapOf(edge, user, password)
    await client.select('INBOX')
    const idle = await client.idle()
    await home.must(['node', 'remove', 'edge'])
    assert.match((await idle.next(5_000)).text, /^\* BYE \[UNAVAILABLE\] /)
    await using again = await ImapClient.connect({ host: edge.address, port: ports.imap })
    assert.match((await again.command(`LOGIN ${user} "${password}"`)).text, /^NO \[(REFERRAL|UNAVAILABLE)\b/)
  })
})

// A load generator process: reads one job from standard input, runs it against a real server, prints one result.
import { ImapClient } from '../harness/imap-client.ts'
import { SmtpClient } from '../harness/smtp-client.ts'
import {
  type DeliverJob,
  type DeliverResult,
  type FetchJob,
  type FetchResult,
  type Job,
  type LookupJob,
  type LookupResult,
  type NoticeJob,
  type NoticeResult,
  type OutboundJob,
  quantile,
} from './job.ts'
import { measureMailbox } from './mailbox-load.ts'
import { outbound } from './outbound-load.ts'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { letterRest, runLoadSession } from './smtp-load.ts'

/** Between two counts of the mailboxes while letters are on their way: short against any result, cheap for the server. */
const countEveryMs = 10
const visibleDeadlineMs = 120_000

const run = `${Date.now().toString(36)}-${process.pid}`
let serial = 0
const nextMessageId = () => `${(serial++).toString(36)}.${run}@load.bench.test`

async function deliver(job: DeliverJob): Promise<DeliverResult> {
  const used = job.users.slice(0, Math.min(job.sessions, job.users.length))
  const readers = await Promise.all(used.map((user) => ImapClient.login(job.imap, user.address, user.password)))
  const before = await countAll(readers)
  const latencies: number[] = []
  let refused = 0
  let begun = 0
  const started = performance.now()
  const end = started + job.seconds * 1000
  const wantsMore = () => performance.now() < end && (job.lettersMax === 0 || begun < job.lettersMax)
  const sessions = Array.from({ length: job.sessions }, (_, index) =>
    runLoadSession({
      protocol: job.protocol,
      endpoint: job.endpoint,
      recipient: (used[index % used.length] as { address: string }).address,
      ...(job.submission ? { login: used[index % used.length] as { address: string; password: string } } : {}),
      rest: letterRest(job.messageBytes),
      oneLetterASession: job.oneLetterASession,
      nextMessageId: () => {
        begun += 1
        return nextMessageId()
      },
      wantsMore,
      taken: (latencyMs) => void latencies.push(latencyMs),
      refused: () => void (refused += 1),
    }),
  )
  await Promise.all(sessions)
  const acknowledged = performance.now()
  await untilVisible(readers, before + latencies.length)
  const visible = performance.now()
  await Promise.all(readers.map((reader) => reader.logout()))
  const visibleSeconds = (visible - started) / 1000
  return {
    letters: latencies.length,
    refused,
    acknowledgedSeconds: (acknowledged - started) / 1000,
    visibleSeconds,
    lettersPerSecond: latencies.length / visibleSeconds,
    latencyMs: { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) },
  }
}

async function countAll(readers: readonly ImapClient[]): Promise<number> {
  const counts = await Promise.all(readers.map((reader) => reader.count('INBOX')))
  return counts.reduce((sum, count) => sum + count, 0)
}

async function untilVisible(readers: readonly ImapClient[], wanted: number): Promise<void> {
  const deadline = performance.now() + visibleDeadlineMs
  for (;;) {
    const seen = await countAll(readers)
    if (seen === wanted) return
    if (seen > wanted) throw new Error(`${seen - wanted} letters more than were acknowledged`)
    if (performance.now() > deadline) throw new Error(`${wanted - seen} acknowledged letters never became visible`)
    await delay(countEveryMs)
  }
}

/** Reads to the tagged answer and counts bytes, without looking at anything between. */
async function readTagged(client: ImapClient, command: string): Promise<number> {
  const tag = client.nextTag()
  const mark = `\r\n${tag} `
  const socket = client.link.socket
  let bytes = 0
  let tail = Buffer.alloc(0)
  const done = new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      bytes += chunk.length
      const end = Buffer.concat([tail, chunk.subarray(-200)])
      tail = end.subarray(-200)
      const at = tail.lastIndexOf(mark)
      if (at < 0 || tail[tail.length - 1] !== 0x0a) return
      socket.removeListener('data', onData)
      if (
        tail
          .subarray(at + mark.length)
          .toString('latin1')
          .startsWith('OK')
      )
        resolve()
      else reject(new Error(tail.subarray(at).toString('latin1')))
    }
    socket.on('data', onData)
  })
  socket.write(`${tag} ${command}\r\n`)
  await done
  return bytes
}

async function fetchMailbox(job: FetchJob): Promise<FetchResult> {
  const client = await ImapClient.login(job.imap, job.user.address, job.user.password)
  const messages = await client.select('INBOX')
  // From here on only byte counts matter: the line reader must not keep them.
  client.link.socket.removeAllListeners('data')
  const started = performance.now()
  let bytes = 0
  let rounds = 0
  while (rounds === 0 || performance.now() - started < job.seconds * 1000) {
    bytes += await readTagged(client, 'FETCH 1:* (BODY.PEEK[])')
    rounds += 1
  }
  const seconds = (performance.now() - started) / 1000
  const singleStarted = performance.now()
  let singles = 0
  for (let number = 1; number <= messages; number++) {
    await readTagged(client, `FETCH ${number} (BODY.PEEK[])`)
    singles += 1
  }
  const singleSeconds = (performance.now() - singleStarted) / 1000
  client.link.destroy()
  return {
    messages,
    bytes,
    seconds,
    megabytesPerSecond: bytes / 1e6 / seconds,
    messagesPerSecond: (messages * rounds) / seconds,
    singlePerSecond: singles / singleSeconds,
  }
}

async function notice(job: NoticeJob): Promise<NoticeResult> {
  const reader = await ImapClient.login(job.imap, job.recipient.address, job.recipient.password)
  await reader.select('INBOX')
  const idle = await reader.idle()
  const sender = await SmtpClient.connect(job.submission)
  await sender.ehlo()
  await sender.login(job.sender.address, job.sender.password)
  const rest = letterRest(job.messageBytes)
  const body = rest.subarray(0, rest.length - 3)
  const times: number[] = []
  for (let letter = 0; letter < job.letters; letter++) {
    const head = `Message-ID: <${nextMessageId()}>\r\n`
    const message = Buffer.concat([
      Buffer.from(head),
      Buffer.from(body.toString().replace('load@bench.example', job.sender.address)),
    ])
    const before = reader.exists
    const noticed = (async () => {
      while (reader.exists <= before) await idle.next()
      return performance.now()
    })()
    const started = performance.now()
    const reply = await sender.send(job.sender.address, [job.recipient.address], message)
    if (reply.code !== 250) throw new Error(reply.text)
    times.push((await noticed) - started)
  }
  await idle.done()
  await reader.logout()
  await sender.quit()
  return { letters: times.length, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) }
}

/** Batches of RCPT in a transaction that is reset: nothing is delivered, every recipient is looked up. */
async function lookup(job: LookupJob): Promise<LookupResult> {
  const batch = 500
  const started = performance.now()
  const end = started + job.seconds * 1000
  let lookups = 0
  const session = async (offset: number) => {
    const client = await SmtpClient.connect(job.endpoint)
    await client.ehlo()
    client.link.socket.removeAllListeners('data')
    let position = offset
    while (performance.now() < end) {
      const commands = ['MAIL FROM:<load@bench.example>']
      for (let index = 0; index < batch; index++) {
        position = (position + 7919) % job.addresses.length
        commands.push(`RCPT TO:<${job.addresses[position] as string}>`)
      }
      commands.push('RSET')
      await countReplies(client, `${commands.join('\r\n')}\r\n`, commands.length)
      lookups += batch
    }
    client.link.destroy()
  }
  await Promise.all(Array.from({ length: job.sessions }, (_, index) => session(index * 101)))
  return { lookups, lookupsPerSecond: lookups / ((performance.now() - started) / 1000) }
}

function countReplies(client: SmtpClient, commands: string, replies: number): Promise<void> {
  const socket = client.link.socket
  return new Promise((resolve, reject) => {
    let seen = 0
    let atLineStart = true
    const onData = (chunk: Buffer) => {
      for (let at = 0; at < chunk.length;) {
        if (atLineStart && chunk[at] !== 0x32) {
          socket.removeListener('data', onData)
          reject(new Error(`refused: ${chunk.subarray(at, at + 120).toString('latin1')}`))
          return
        }
        const end = chunk.indexOf(0x0a, at)
        atLineStart = end >= 0
        if (end < 0) break
        seen += 1
        at = end + 1
      }
      if (seen < replies) return
      socket.removeListener('data', onData)
      resolve()
    }
    socket.on('data', onData)
    socket.write(commands)
  })
}

const work: { [K in Job['kind']]: (job: never) => Promise<unknown> } = {
  deliver,
  fetch: fetchMailbox,
  notice,
  lookup,
  mailbox: measureMailbox,
  outbound: (job: OutboundJob) => outbound(job, nextMessageId),
}

const job = JSON.parse(await text(process.stdin)) as Job
const result = await work[job.kind](job as never)
process.stdout.write(`${JSON.stringify(result)}\n`)

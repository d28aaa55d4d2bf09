// The measures of mailbox work, each as a client sees it: how long until the tagged answer has come.
import type { Endpoint, MailboxJob, MailboxResult } from './job.ts'
import { median } from './job.ts'
import { setTimeout as delay } from 'node:timers/promises'
import { letterRest, runLoadSession } from './smtp-load.ts'
import { type User, Wire } from './wire.ts'

const run = `${Date.now().toString(36)}-${process.pid}`
let serial = 0

const words =
  'goose yarn river plain letter silk bridge mountain station harbour winter lantern paper market office report budget'.split(
    ' ',
  )

/** A letter of `bytes` bytes with headers as people's letters have them; no two are alike. */
export function benchLetter(bytes: number): Buffer {
  const number = serial++
  const pick = (step: number) => words[(number * 7 + step * 3) % words.length] as string
  const head = [
    `Message-ID: <${number.toString(36)}.${run}@load.bench.test>`,
    'Date: Mon, 23 Nov 2026 08:00:00 +0000',
    `From: "Load ${number % 100}" <load${number % 100}@bench.example>`,
    `To: Bench <bench@bench.test>, "Second ${pick(1)}" <second@bench.test>`,
    `Cc: ${pick(2)}@bench.example`,
    `Subject: ${pick(3)} ${pick(4)} number ${number}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    '',
    '',
  ].join('\r\n')
  let body = ''
  for (let line = 0; head.length + body.length < bytes - 80; line++) {
    body += `${Array.from({ length: 9 }, (_, at) => words[(number * 31 + line * 17 + at * 5) % words.length]).join(' ')}\r\n`
  }
  return Buffer.from(head + body)
}

function literal(letter: Buffer): (string | Buffer)[] {
  return [` {${letter.length}+}\r\n`, letter]
}

async function appendMany(wire: Wire, mailbox: string, count: number, bytes: number, batch: number): Promise<void> {
  for (let sent = 0; sent < count; sent += batch) {
    const parts = Array.from({ length: Math.min(batch, count - sent) }, () => literal(benchLetter(bytes)))
    await wire.command(`APPEND ${mailbox}`, ...parts.flat())
  }
}

async function elapsedMs(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

async function medianMs(times: number, work: () => Promise<unknown>): Promise<number> {
  const found: number[] = []
  for (let time = 0; time < times; time++) found.push(await elapsedMs(work))
  return median(found)
}

/** Operations a second of `sessions` that go on for `seconds`. */
async function rate(sessions: number, seconds: number, one: (session: number) => Promise<unknown>): Promise<number> {
  const started = performance.now()
  const end = started + seconds * 1000
  let done = 0
  const loop = async (session: number) => {
    while (performance.now() < end) {
      await one(session)
      done += 1
    }
  }
  await Promise.all(Array.from({ length: sessions }, (_, session) => loop(session)))
  return done / ((performance.now() - started) / 1000)
}

/** The mailbox with at least `count` messages: filled where it isn't yet. @returns how many there are */
async function filled(wire: Wire, mailbox: string, count: number, bytes: number): Promise<void> {
  await wire.command(`CREATE ${mailbox}`).catch(() => 0)
  let exists = 0
  wire.onChunk = (chunk) => {
    const found = /MESSAGES (\d+)/.exec(chunk.toString('latin1'))
    if (found) exists = Number(found[1])
  }
  await wire.command(`STATUS ${mailbox} (MESSAGES)`)
  wire.onChunk = undefined
  if (exists < count) await appendMany(wire, mailbox, count - exists, bytes, 500)
}

const firstUser = (job: MailboxJob) => job.users[0] as User

const measures: Record<MailboxJob['measure'], (job: MailboxJob) => Promise<MailboxResult>> = {
  async login(job) {
    const one = (tls: boolean) => async (session: number) => {
      const wire = await Wire.connect(job.imap)
      if (tls) await wire.startTls()
      const user = job.users[session % job.users.length] as User
      await wire.command(`LOGIN ${user.address} "${user.password}"`)
      wire.close()
    }
    return { plain: await rate(20, job.seconds, one(false)), starttls: await rate(20, job.seconds, one(true)) }
  },

  async large(job) {
    const wire = await Wire.login(job.imap, firstUser(job))
    const count = job.messages
    await filled(wire, 'Large', count, 2_000)
    await wire.command('SELECT Large')
    await wire.command('UNSELECT')
    const select = await medianMs(15, async () => {
      await wire.command('SELECT Large')
    })
    const flags = await medianMs(5, () => wire.command('UID FETCH 1:* (FLAGS)'))
    const metadata = (range: string) => wire.command(`FETCH ${range} (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)`)
    await metadata(`1:${count}`)
    const tenThousand = await medianMs(5, () => metadata('1:10000'))
    const all = await medianMs(3, () => metadata('1:*'))
    await wire.command('STORE 1:10000 -FLAGS.SILENT (\\Flagged)')
    const store: number[] = []
    for (let round = 0; round < 6; round++) {
      const sign = round % 2 === 0 ? '+' : '-'
      store.push(await elapsedMs(() => wire.command(`STORE 1:10000 ${sign}FLAGS.SILENT (\\Flagged)`)))
    }
    let uid = 0
    const single = await rate(1, job.seconds, () => {
      uid += 1
      const sign = Math.floor(uid / 1000) % 2 === 0 ? '+' : '-'
      return wire.command(`STORE ${(uid % 1000) + 1} ${sign}FLAGS (\\Answered)`)
    })
    wire.close()
    return {
      selectMs: select,
      flagsPerSecond: count / (flags / 1000),
      envelope10k: 10_000 / (tenThousand / 1000),
      envelopeAll: count / (all / 1000),
      storePerSecond: 10_000 / (median(store) / 1000),
      storeSingle: single,
    }
  },

  /** The first SELECT after the server has started. */
  async cold(job) {
    const wire = await Wire.login(job.imap, firstUser(job))
    const select = await elapsedMs(() => wire.command('SELECT Large'))
    const envelope = await elapsedMs(() => wire.command('FETCH 1:10000 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)'))
    wire.close()
    return { selectMs: select, envelope10k: 10_000 / (envelope / 1000) }
  },

  async append(job) {
    const wires = await Promise.all(job.users.slice(0, 20).map((user) => Wire.login(job.imap, user)))
    const one = (session: number) => (wires[session] as Wire).command('APPEND INBOX', ...literal(benchLetter(2_000)))
    const single = await rate(1, job.seconds, one)
    const twenty = await rate(wires.length, job.seconds, one)
    const multi = await medianMs(5, () => appendMany(wires[0] as Wire, 'INBOX', 1_000, 2_000, 1_000))
    for (const wire of wires) wire.close()
    return { single, twenty, multi: 1_000 / (multi / 1000) }
  },

  async copy(job) {
    const wire = await Wire.login(job.imap, firstUser(job))
    await filled(wire, 'Source', 1_000, 2_000)
    await wire.command('CREATE Target').catch(() => 0)
    const copies: number[] = []
    const expunges: number[] = []
    for (let round = 0; round < 7; round++) {
      await wire.command('SELECT Source')
      copies.push(await elapsedMs(() => wire.command('COPY 1:1000 Target')))
      await wire.command('SELECT Target')
      await wire.command('STORE 1:1000 +FLAGS.SILENT (\\Deleted)')
      expunges.push(await elapsedMs(() => wire.command('EXPUNGE')))
    }
    wire.close()
    return { copy: 1_000 / (median(copies) / 1000), expunge: 1_000 / (median(expunges) / 1000) }
  },

  async fetch(job) {
    const wire = await Wire.login(job.imap, firstUser(job))
    await filled(wire, 'Bodies', 1_000, 10_000)
    await wire.command('SELECT Bodies')
    await wire.command('FETCH 1:* (BODY.PEEK[])')
    let bytes = 0
    const whole = await elapsedMs(async () => {
      for (let round = 0; round < 10; round++) bytes += await wire.command('FETCH 1:1000 (BODY.PEEK[])')
    })
    let number = 0
    const single = await rate(1, job.seconds, () => wire.command(`FETCH ${(number++ % 1000) + 1} (BODY.PEEK[])`))
    wire.close()
    return { megabytes: bytes / 1e6 / (whole / 1000), single }
  },

  async search(job) {
    const wire = await Wire.login(job.imap, firstUser(job))
    await filled(wire, 'Searched', job.messages, 4_000)
    await wire.command('SELECT Searched')
    // Skein takes letters in for searching in the background, some 2,000 a second, from the first SELECT on.
    await delay(Math.max(3_000, job.messages))
    await wire.command('SEARCH TEXT "goose"')
    const text = await medianMs(3, () => wire.command('SEARCH TEXT "number 777"'))
    const miss = await medianMs(3, () => wire.command('SEARCH TEXT "nowhere-to-be-found"'))
    wire.close()
    return { textMs: text, missMs: miss }
  },

  async pop3(job) {
    const user = job.users[1] as User
    const imap = await Wire.login(job.imap, user)
    await filled(imap, 'INBOX', 1_000, 10_000)
    imap.close()
    const wire = await Wire.connect(job.pop3)
    await wire.line(`USER ${user.address}`)
    await wire.line(`PASS ${user.password}`)
    const numbers = Array.from({ length: 1_000 }, (_, index) => index + 1)
    const retrieve = async () => {
      let bytes = 0
      const ms = await elapsedMs(async () => {
        for (const number of numbers) bytes += await wire.multiline(`RETR ${number}`)
      })
      return bytes / 1e6 / (ms / 1000)
    }
    const single = [await retrieve(), await retrieve(), await retrieve()]
    const commands = numbers.map((number) => `RETR ${number}\r\n`).join('')
    const all: number[] = []
    for (let round = 0; round < 5; round++) {
      let bytes = 0
      const ms = await elapsedMs(async () => {
        bytes = await wire.pipelined(commands, numbers.length)
      })
      all.push(bytes / 1e6 / (ms / 1000))
    }
    wire.close()
    return { single: median(single), pipelined: median(all) }
  },

  /** From the end of DATA being sent to EXISTS at an idle client. */
  async notice(job) {
    return { delivery: await deliveryNotice(job, job.users[2] as User) }
  },

  /** From APPEND being sent to EXISTS: at 50 idle clients of the mailbox among 1,000, and where all 1,000 have it open. */
  async announce(job) {
    const [user] = job.users as [User]
    const some = await announceNotice(job, user, 50)
    return { some, all: await announceNotice(job, user, 1_000) }
  },
}

async function deliveryNotice(job: MailboxJob, user: User): Promise<number> {
  const reader = await Wire.login(job.imap, user)
  await reader.command('SELECT INBOX')
  await reader.idle()
  const times: number[] = []
  let noticed: (() => void) | undefined
  reader.onChunk = (chunk) => {
    if (chunk.includes(' EXISTS')) noticed?.()
  }
  let left = 60
  let begun = 0
  let turn = Promise.resolve()
  await runLoadSession({
    protocol: job.deliver.protocol,
    endpoint: job.deliver.endpoint,
    recipient: user.address,
    rest: letterRest(10_000),
    oneLetterASession: false,
    nextMessageId() {
      begun = performance.now()
      turn = new Promise((resolve) => {
        noticed = () => {
          times.push(performance.now() - begun)
          noticed = undefined
          resolve()
        }
      })
      return `${serial++}.${run}@load.bench.test`
    },
    // The next letter goes when the last has been noticed.
    wantsMore: () => left-- > 0,
    taken: () => {},
    refused: (reply) => {
      throw new Error(reply)
    },
    beforeNext: () => turn,
  })
  reader.close()
  return median(times)
}

async function announceNotice(job: MailboxJob, user: User, watching: number): Promise<number> {
  const others = await openIdle(job.imap, job.users.slice(1), 1_000 - watching)
  const readers = await openIdle(job.imap, [user], watching)
  const writer = await Wire.login(job.imap, user)
  const times: number[] = []
  for (let letter = 0; letter < 15; letter++) {
    let started = 0
    const all = readers.map(
      (reader) =>
        new Promise<void>((resolve) => {
          reader.onChunk = (chunk) => {
            if (!chunk.includes(' EXISTS')) return
            reader.onChunk = undefined
            times.push(performance.now() - started)
            resolve()
          }
        }),
    )
    started = performance.now()
    await writer.command('APPEND INBOX', ...literal(benchLetter(2_000)))
    await Promise.all(all)
  }
  for (const wire of [...readers, ...others, writer]) wire.close()
  return median(times)
}

export function measureMailbox(job: MailboxJob): Promise<MailboxResult> {
  return measures[job.measure](job)
}

/** Idle sessions of INBOX, of one user after the other. @returns what closes them */
export async function idleSessions(job: Pick<MailboxJob, 'imap' | 'users'>, sessions: number): Promise<() => void> {
  const wires = await openIdle(job.imap, job.users, sessions)
  return () => {
    for (const wire of wires) wire.close()
  }
}

async function openIdle(imap: Endpoint, users: readonly User[], sessions: number): Promise<Wire[]> {
  const wires: Wire[] = []
  while (wires.length < sessions) {
    const more = Array.from({ length: Math.min(50, sessions - wires.length) }, async (_, index) => {
      const wire = await Wire.login(imap, users[(wires.length + index) % users.length] as User)
      await wire.command('SELECT INBOX')
      await wire.idle()
      return wire
    })
    wires.push(...(await Promise.all(more)))
  }
  return wires
}

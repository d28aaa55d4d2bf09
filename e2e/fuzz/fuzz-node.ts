// Fuzzes IMAP or POP3 of a real node: many short sessions of damaged commands in random pieces, while a witness sees that others are
// served. Fails when the node ends, falls silent, logs a failure of its own, says that it has a bug, or grows.
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { chunked, createSeededRandom, damaged, fuzzImap, fuzzPop3 } from '@skein/testkit'
import type { SeededRandom } from '@skein/testkit'
import { fillMailbox } from '../harness/fill.ts'
import { ImapClient } from '../harness/imap-client.ts'
import { LineSocket } from '../harness/line-socket.ts'
import { processorMs } from '../harness/processes.ts'
import { type SkeinNode, ports } from '../harness/skein.ts'
import { letter } from '../harness/stage.ts'

/** Each with an account of its own: POP3 sessions shut each other out. */
const fuzzAccounts = 8
const sessionsPerAccount = { imap: 4, pop3: 1 } as const
const sessionMsMax = 4_000
/** CPU that the node may spend between a witness's command and its answer. */
const witnessCpuMsMax = 1_500
/** By which the node may grow in all: caches, and what its sessions may hold. */
const growthBytesMax = 400 * 1024 * 1024

export type NodeTarget = 'imap' | 'pop3'

export interface FuzzFigures {
  sessions: number
  bytesSent: number
  answers: number
  slowestWitnessMs: number
  slowestWitnessCpuMs: number
  rssBeforeBytes: number
  rssMaxBytes: number
}

export async function addFuzzAccounts(node: SkeinNode): Promise<FuzzAccount[]> {
  const accounts = Array.from({ length: fuzzAccounts }, (_, at) => ({
    user: `fuzz${at}@test.com`,
    password: 'wild-geese-42',
  }))
  for (const { user, password } of accounts) await node.addUser(user, password)
  return accounts
}

export interface FuzzAccount {
  user: string
  password: string
}

export function rssBytes(node: SkeinNode): number {
  const status = readFileSync(`/proc/${node.process?.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
}

/** @throws Error that names the seed */
export async function fuzzNode(
  node: SkeinNode,
  accounts: readonly FuzzAccount[],
  target: NodeTarget,
  seed: string,
  seconds: number,
): Promise<FuzzFigures> {
  const run = new FuzzRun(node, accounts, target)
  try {
    return await run.run(seed, seconds)
  } catch (error) {
    throw new Error(`${target}, seed ${seed}: ${String(error)}`, { cause: error })
  }
}

class FuzzRun {
  readonly #node: SkeinNode
  readonly #accounts: readonly FuzzAccount[]
  readonly #target: NodeTarget
  readonly #figures: FuzzFigures
  #over = false
  /** The newest case of each session that is running, for a failure. */
  readonly #running = new Map<number, string>()

  constructor(node: SkeinNode, accounts: readonly FuzzAccount[], target: NodeTarget) {
    this.#node = node
    this.#accounts = accounts
    this.#target = target
    const rss = rssBytes(node)
    this.#figures = {
      sessions: 0,
      bytesSent: 0,
      answers: 0,
      slowestWitnessMs: 0,
      slowestWitnessCpuMs: 0,
      rssBeforeBytes: rss,
      rssMaxBytes: rss,
    }
  }

  async run(seed: string, seconds: number): Promise<FuzzFigures> {
    await Promise.all(this.#accounts.map((account) => this.#fill(account)))
    this.#figures.rssBeforeBytes = rssBytes(this.#node)
    const end = performance.now() + seconds * 1000
    const count = this.#accounts.length * sessionsPerAccount[this.#target]
    const workers = Array.from({ length: count }, async (_, worker) => {
      for (let number = 0; performance.now() < end && !this.#over; number++) {
        const name = `${seed}/${worker}/${number}`
        this.#running.set(worker, name)
        await this.#session(createSeededRandom(name), name, worker)
      }
    })
    const watching = this.#watch(end)
    try {
      await Promise.all([...workers, watching])
    } catch (error) {
      this.#over = true
      throw new Error(`${String(error)}; running: ${[...this.#running.values()].join(', ')}`, { cause: error })
    }
    return this.#figures
  }

  async #fill({ user, password }: FuzzAccount): Promise<void> {
    await using client = await ImapClient.login({ host: this.#node.address, port: ports.imap }, user, password)
    const letters = Array.from({ length: 20 }, (_, at) => ({
      text: letter('wang@test.com', user, `letter ${at}`).text,
    }))
    await fillMailbox(client, 'INBOX', letters)
  }

  /** Others are served, and nothing is logged as a failure. */
  async #watch(end: number): Promise<void> {
    const { user, password } = this.#accounts[0] as FuzzAccount
    await using witness = await ImapClient.login({ host: this.#node.address, port: ports.imap }, user, password)
    while (performance.now() < end && !this.#over) {
      const started = performance.now()
      const before = processorMs(this.#node.process?.pid ?? 0)
      await witness.must('NOOP', [], 30_000)
      const figures = this.#figures
      figures.slowestWitnessMs = Math.max(figures.slowestWitnessMs, performance.now() - started)
      const cpu = processorMs(this.#node.process?.pid ?? 0) - before
      figures.slowestWitnessCpuMs = Math.max(figures.slowestWitnessCpuMs, cpu)
      if (cpu > witnessCpuMsMax) throw new Error(`a NOOP of another session took ${cpu} ms of CPU`)
      figures.rssMaxBytes = Math.max(figures.rssMaxBytes, rssBytes(this.#node))
      if (figures.rssMaxBytes > figures.rssBeforeBytes + growthBytesMax) {
        throw new Error(`the node grew from ${figures.rssBeforeBytes} to ${figures.rssMaxBytes} bytes`)
      }
      const failure = /^\{"level":(?:50|60).*$/m.exec(this.#node.log)
      if (failure) throw new Error(`the node logged ${failure[0].slice(0, 1000)}`)
      await delay(50)
    }
  }

  async #session(random: SeededRandom, name: string, worker: number): Promise<void> {
    const tls = random.chance(0.05)
    const port = this.#target === 'imap' ? (tls ? ports.imaps : ports.imap) : tls ? ports.pop3s : ports.pop3
    const link = await LineSocket.connect({ host: this.#node.address, port, tls })
    const heard = hear(link)
    const input = this.#input(random, this.#accounts[worker % this.#accounts.length] as FuzzAccount)
    for (const chunk of chunked(random, input)) {
      if (link.ended) break
      link.write(chunk)
      if (random.chance(0.05)) await delay(random.integer(5))
    }
    this.#figures.sessions += 1
    this.#figures.bytesSent += input.length
    // Half of them break the line, the others say that they have said all and wait for the answers.
    if (random.chance(0.5)) link.socket.end()
    else await delay(random.integer(30))
    await Promise.race([heard.ended, delay(random.chance(0.9) ? 50 : sessionMsMax, undefined, { ref: false })])
    link.destroy()
    this.#figures.answers += heard.text().split('\r\n').length - 1
    if (/SERVERBUG/.test(heard.text()))
      throw new Error(`${name}: the node says that it has a bug: ${JSON.stringify(input.toString('latin1'))}`)
  }

  #input(random: SeededRandom, { user, password }: FuzzAccount): Buffer {
    const login =
      this.#target === 'imap'
        ? `l LOGIN ${user} ${password}\r\ns SELECT INBOX\r\n`
        : `USER ${user}\r\nPASS ${password}\r\n`
    const commands = random.between(1, 15)
    const body = this.#target === 'imap' ? fuzzImap(random, commands) : fuzzPop3(random, commands)
    const noise = random.chance(0.1) ? Buffer.from(random.bytes(random.between(1, 3000))) : body
    if (random.chance(0.15)) return noise
    const opening = Buffer.from(login)
    return Buffer.concat([random.chance(0.05) ? damaged(random, opening) : opening, noise])
  }
}

function hear(link: LineSocket): { ended: Promise<void>; text(): string } {
  const pieces: string[] = []
  const ended = new Promise<void>((resolve) => link.socket.once('close', () => resolve()))
  link.socket.removeAllListeners('data')
  link.socket.on('data', (chunk: Buffer) => void pieces.push(chunk.toString('latin1')))
  return { ended, text: () => pieces.join('') }
}

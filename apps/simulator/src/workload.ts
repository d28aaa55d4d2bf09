// What people and misfortune do to a mesh: letters between random users, new users on random nodes, crashes, partitions.
import type { IntakeSource } from '@skein/delivery'
import { isErrorCode, SkeinError } from '@skein/runtime'
import type { SeededRandom, SimulatedNetwork, VirtualClock } from '@skein/testkit'
import { messageIdOf, type Model } from './model.ts'
import type { SimulatedNode } from './simulated-node.ts'

export interface WorkloadParts {
  clock: VirtualClock
  random: SeededRandom
  network: SimulatedNetwork
  nodes: readonly SimulatedNode[]
  model: Model
  log(what: string): void
  complain(what: string): void
}

/** Mean pause between two things that happen. */
const pauseMeanMs = 25
const downMaxMs = 6_000
const partitionMaxMs = 10_000

export class Workload {
  readonly #parts: WorkloadParts
  #partitioned = false
  /** What runs on its own; a crash may leave it open for ever. */
  readonly #starting = new Map<SimulatedNode, Promise<void>>()

  constructor(parts: WorkloadParts) {
    this.#parts = parts
  }

  async run(durationMs: number, observe: () => Promise<void>): Promise<void> {
    const { clock, random } = this.#parts
    const endMs = clock.monotonicMs() + durationMs
    let observeMs = clock.monotonicMs() + 1_000
    while (clock.monotonicMs() < endMs) {
      this.#happen()
      await clock.advance(-Math.log(1 - random.next()) * pauseMeanMs)
      if (clock.monotonicMs() < observeMs) continue
      await observe()
      observeMs = clock.monotonicMs() + 1_000
    }
  }

  /** Ends misfortune: lines whole and good, every node up. */
  async calm(): Promise<void> {
    const { clock, network, nodes, log } = this.#parts
    log('calm')
    network.heal()
    network.disturb({ drop: 0, duplicate: 0 })
    for (const node of nodes) if (!node.running && !this.#starting.has(node)) this.#start(node)
    await clock.runUntil(Promise.all(this.#starting.values()))
  }

  #happen(): void {
    const { random, nodes } = this.#parts
    const dice = random.next()
    const running = nodes.filter((node) => node.running)
    if (dice < 0.01) this.#crash(nodes.filter((node) => node.running || this.#starting.has(node)))
    else if (dice < 0.02) this.#partition()
    else if (dice < 0.06 && running.length > 0) this.#addUser(random.pick(running))
    else if (running.length > 0) this.#sendSome(random.pick(running))
  }

  /** Also in the middle of a start. */
  #crash(candidates: readonly SimulatedNode[]): void {
    const { clock, random, model } = this.#parts
    if (candidates.length === 0) return
    const node = random.pick(candidates)
    model.crashes++
    model.crashed.push({ node: node.name, atMs: clock.monotonicMs() })
    node.crash()
    this.#starting.delete(node)
    clock.setTimer(random.next() ** 2 * downMaxMs, () => {
      if (!node.running && !this.#starting.has(node)) this.#start(node)
    })
  }

  #start(node: SimulatedNode): void {
    const forget = () => {
      if (this.#starting.get(node) === start) this.#starting.delete(node)
    }
    const start = node.start().then(forget, (error: unknown) => {
      forget()
      this.#parts.complain(`${node.name} could not start: ${String(error)}`)
    })
    this.#starting.set(node, start)
  }

  #partition(): void {
    const { clock, random, network, nodes, model, log } = this.#parts
    if (this.#partitioned) return
    this.#partitioned = true
    model.partitions++
    const shuffled = random.shuffle(nodes)
    const cut = random.between(1, nodes.length - 1)
    const groups = [shuffled.slice(0, cut), shuffled.slice(cut)]
    log(`partition ${groups.map((group) => group.map((node) => node.name).join('+')).join(' | ')}`)
    network.partition(groups.map((group) => group.map((node) => node.id)))
    clock.setTimer(random.next() * partitionMaxMs, () => {
      log('the partition heals')
      network.heal()
      this.#partitioned = false
    })
  }

  /** A fifth of the names are tried on several nodes, so that claims meet. */
  #addUser(node: SimulatedNode): void {
    const { random, model, log } = this.#parts
    const contested = random.chance(0.3)
    const address = contested ? `shared${random.integer(6)}@test.com` : `user${model.users++}@test.com`
    void this.addUser(node, address).catch((error: unknown) => {
      if (!(error instanceof SkeinError)) throw error
      log(`${node.name} can't add ${address}: ${error.code}`)
    })
  }

  async addUser(node: SimulatedNode, address: string): Promise<void> {
    const { model, log } = this.#parts
    const added = await node.parts.ledger.addUser(address)
    model.claim(address, added.accountId)
    log(`${node.name} adds ${address} as ${added.address} ${added.state}`)
  }

  /** Now and then many at once, and then perhaps a crash in their midst. */
  #sendSome(node: SimulatedNode): void {
    const { random, clock } = this.#parts
    const burst = random.chance(0.1) ? random.between(2, 12) : 1
    for (let i = 0; i < burst; i++) this.#send(node)
    if (burst === 1 || random.chance(0.8)) return
    clock.setTimer(random.next() * 20, () => {
      if (node.running) this.#crash([node])
    })
  }

  #send(node: SimulatedNode): void {
    const { clock, random, model, log } = this.#parts
    const { intake } = node.parts.delivery
    const { directory } = node.parts.ledger
    const known = [...model.claims.keys()].filter((address) => directory.lookup(address))
    if (known.length === 0) return
    // A letter leaves through another node only where its sender is at home.
    const atHome = known.filter((address) => directory.lookup(address)?.home === node.id)
    const sender = random.pick(atHome.length > 0 && random.chance(0.6) ? atHome : known)
    const submission = random.chance(0.7)
    const source = submission ? this.#submitter(node, sender) : stranger
    const from = submission ? sender : `stranger${random.integer(10)}@example.org`
    if (intake.checkSender(source, from).kind === 'refused') return
    const wanted = Array.from({ length: random.between(1, 3) }, () => this.#recipient(known))
    const recipients = [...new Set(wanted)].filter(
      (address) => intake.checkRecipient(source, address).kind === 'accepted',
    )
    if (recipients.length === 0) return
    const n = model.letters.length
    const bytes = this.#letter(n, from)
    const letter = { n, from, recipients, bytes, acknowledged: false, queueId: '' }
    model.letters.push(letter)
    log(`${node.name} letter ${n} from ${from} to ${recipients.join()} ${bytes.length} bytes`)
    const writer = intake.begin({
      source,
      from,
      recipients,
      smtpUtf8: false,
      eightBit: false,
      receivedMs: clock.nowMs(),
    })
    const finish = async (): Promise<void> => {
      for (let at = 0; at < bytes.length; at += 64 * 1024) await writer.write(bytes.subarray(at, at + 64 * 1024))
      const { queueId } = await writer.finish()
      letter.acknowledged = true
      letter.queueId = queueId
      log(`${node.name} acknowledges letter ${n} as ${queueId}`)
    }
    finish().catch((error: unknown) => {
      if (isErrorCode(error, 'shutting-down')) return
      const kind = error instanceof SkeinError ? error.kind : 'unknown'
      log(`${node.name} refuses letter ${n}: ${String(error)}`)
      if (kind !== 'temporary') this.#parts.complain(`letter ${n} was refused: ${String(error)}`)
    })
  }

  #submitter(node: SimulatedNode, address: string): IntakeSource {
    const entry = node.parts.ledger.directory.lookup(address)
    return {
      ...stranger,
      kind: 'submission',
      protocol: 'ESMTPSA',
      account: { id: entry?.accountId ?? '', address },
    }
  }

  #recipient(known: readonly string[]): string {
    const { random, model } = this.#parts
    const dice = random.next()
    if (dice < 0.15) return `out${random.integer(20)}@${random.pick(outside)}`
    if (dice < 0.18 && model.aliases.size > 0) return random.pick([...model.aliases.keys()])
    if (dice < 0.21) return 'nobody@test.com'
    return random.pick(known)
  }

  #letter(n: number, from: string): Buffer {
    const { random } = this.#parts
    const dice = random.next()
    const length = dice < 0.9 ? random.between(10, 2_000) : dice < 0.99 ? random.between(5_000, 50_000) : 700_000
    const header =
      `Message-ID: <${messageIdOf(n)}>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nFrom: ${from}\r\n` +
      `Subject: letter ${n}\r\n\r\n`
    return Buffer.concat([Buffer.from(header), Buffer.alloc(length, `${random.integer(1e9)} and so on\r\n`)])
  }
}

/** See `outside-world.ts`. */
const outside = [
  'good.example',
  'bad.example',
  'slow.example',
  'picky.example',
  'walled.example',
  'fort.example',
  'far.example',
]

const stranger: IntakeSource = {
  kind: 'smtp',
  remoteAddress: '192.0.2.7',
  remoteName: 'mx.example.org',
  helo: 'mx.example.org',
  tls: null,
  protocol: 'ESMTP',
  account: null,
}

// One run from one seed: a mesh comes into being, people and misfortune have their way with it, then everything is made
// whole, time passes until nothing is left to do, and the checks are made.
import { parseInvite } from '@skein/replication'
import { createSeededRandom, SimulatedNetwork, VirtualClock, type SeededRandom } from '@skein/testkit'
import { ablations, type Ablation, type AblationName } from './ablations.ts'
import { checkLetters, collectMail, directoriesDiffer, lostUsers } from './checks.ts'
import { EventLog } from './event-log.ts'
import { MailboxObserver } from './mailbox-observer.ts'
import { Model } from './model.ts'
import { OutsideWorld } from './outside-world.ts'
import { SimulatedNode, type RunningParts } from './simulated-node.ts'
import { Workload } from './workload.ts'

export interface SimulationSettings {
  seed: number
  /** 3 to 7; default: by the seed. */
  nodes?: number
  /** Virtual seconds of load; default 12. */
  seconds?: number
  ablation?: AblationName
  print?: (line: string) => void
}

export interface SimulationOutcome {
  seed: number
  nodes: number
  /** The same for the same seed and settings. */
  hash: string
  events: number
  letters: number
  acknowledged: number
  users: number
  crashes: number
  partitions: number
  /** Virtual milliseconds from healing to quiet. */
  quietAfterMs: number
  /** Empty: all is well. */
  failures: string[]
  /** Of a failed run: the last events, and those of the first letter that a failure names. */
  trace: string[]
}

const failuresMax = 20
const quietMaxMs = 2 * 3600_000
const usersAtStart = 4

export async function simulate(settings: SimulationSettings): Promise<SimulationOutcome> {
  const run = new Simulation(settings)
  try {
    await run.setUp()
    await run.load()
    await run.heal()
    await run.check()
  } catch (error) {
    run.complain(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  return run.outcome()
}

class Simulation {
  readonly #settings: SimulationSettings
  readonly #clock = new VirtualClock()
  readonly #random: SeededRandom
  readonly #log: EventLog
  readonly #model = new Model()
  readonly #network: SimulatedNetwork
  readonly #nodes: SimulatedNode[]
  readonly #workload: Workload
  readonly #world: OutsideWorld
  readonly #observer: MailboxObserver
  readonly #failures: string[] = []
  #isSetUp = false
  #generous = false
  #quietAfterMs = 0

  constructor(settings: SimulationSettings) {
    this.#settings = settings
    this.#random = createSeededRandom(settings.seed)
    this.#log = new EventLog(this.#clock, settings.print)
    const log = (what: string) => this.#log.add(what)
    const complain = (what: string) => this.complain(what)
    const nodeCount = settings.nodes ?? this.#random.between(3, 5)
    const names = new Map<string, string>()
    this.#network = new SimulatedNetwork(this.#clock, this.#random.fork('network'), {
      delayMaxMs: this.#random.pick([5, 30, 150]),
      greet: (a, b) => this.#greet(a, b),
      onEvent: (what) => log(what.replaceAll(/12D3\w+/g, (id) => names.get(id) ?? id)),
    })
    const world = new OutsideWorld(this.#clock, this.#random.fork('outside'), this.#model)
    this.#world = world
    const ablation: Ablation = settings.ablation ? ablations[settings.ablation] : { what: 'nothing' }
    this.#nodes = Array.from({ length: nodeCount }, (_, at) => {
      const node = new SimulatedNode(`n${at + 1}`, {
        clock: this.#clock,
        random: this.#random.fork(`node ${at + 1}`),
        network: this.#network,
        outside: (messages, isOver) => world.courier(messages, `n${at + 1}`, isOver),
        ablation,
        isSetUp: () => this.#isSetUp,
        quotaBytesOf: (address) => (!this.#generous && address.includes('3@') ? 30_000 : 1e9),
        log,
        complain,
      })
      names.set(node.id, node.name)
      return node
    })
    this.#observer = new MailboxObserver(complain)
    this.#workload = new Workload({
      clock: this.#clock,
      random: this.#random.fork('workload'),
      network: this.#network,
      nodes: this.#nodes,
      model: this.#model,
      log,
      complain,
    })
  }

  complain(what: string): void {
    this.#log.add(`FAILURE ${what}`)
    if (this.#failures.length < failuresMax) this.#failures.push(what)
  }

  /** Both say hello, as over a real line. @throws when one does not want to speak with the other */
  async #greet(a: string, b: string): Promise<void> {
    const [left, right] = [a, b].map((id) => this.#nodes.find((node) => node.id === id)?.gate)
    if (!left || !right) throw new Error('one of them is down')
    const hello = left.helloFor(b)
    const answer = right.helloFor(a)
    await right.acceptHello(a, hello)
    await left.acceptHello(b, answer)
  }

  async setUp(): Promise<void> {
    const clock = this.#clock
    const [founder, ...others] = this.#nodes
    if (!founder) throw new Error('a mesh needs a node')
    await clock.runUntil(
      founder.start(async (ledger) => {
        await ledger.foundMesh({ ...founder.profile, domains: ['test.com'] })
      }),
    )
    for (const node of others) {
      const token = await clock.runUntil(founder.parts.ledger.createInvite({ ttlMs: 3600_000, uses: 1 }))
      await clock.runUntil(
        node.start(async (ledger) => {
          const invite = parseInvite(token)
          const request = ledger.joinRequest(invite, node.profile)
          const reply = await founder.parts.ledger.gate.acceptJoin(node.id, '127.0.0.1', request)
          await ledger.adoptJoin(invite, node.profile, reply)
        }),
      )
    }
    await clock.advance(10_000)
    for (let i = 0; i < usersAtStart; i++) {
      const node = this.#nodes[i % this.#nodes.length] as SimulatedNode
      await clock.runUntil(this.#workload.addUser(node, `first${i}@test.com`))
    }
    const targets = Array.from({ length: usersAtStart }, (_, i) => `first${i}@test.com`)
    this.#model.aliases.set('all@test.com', targets)
    await clock.runUntil(founder.parts.ledger.addAlias('all@test.com', targets))
    await clock.advance(10_000)
    const differ = await clock.runUntil(directoriesDiffer(this.#nodes))
    if (differ && !this.#settings.ablation) this.complain(`at the start: ${differ}`)
  }

  async load(): Promise<void> {
    this.#isSetUp = true
    const random = this.#random.fork('disturbance')
    this.#network.disturb({ drop: random.pick([0, 0.01, 0.05]), duplicate: random.pick([0, 0.05]) })
    await this.#workload.run((this.#settings.seconds ?? 12) * 1000, () => this.#observe())
  }

  /** Looks into every mailbox of the nodes that are up; a crash in the middle ends that look. */
  async #observe(): Promise<void> {
    const look = async (node: SimulatedNode, { ledger, mailboxes }: RunningParts): Promise<void> => {
      try {
        for await (const entry of ledger.directory.entries()) {
          if (entry.home === node.id) await this.#observer.look(mailboxes, entry.accountId)
        }
      } catch (error) {
        this.complain(`a mailbox of ${node.name} can't be looked into: ${String(error)}`)
      }
    }
    const looks = this.#nodes.flatMap((node) =>
      node.running ? [Promise.race([look(node, node.running), node.running.life.whenOver])] : [],
    )
    await this.#clock.runUntil(Promise.all(looks))
  }

  async heal(): Promise<void> {
    const clock = this.#clock
    await this.#workload.calm()
    this.#world.calm()
    this.#generous = true
    const healedMs = clock.monotonicMs()
    await clock.advance(30_000)
    await clock.runUntil(this.#makeRoom())
    while (clock.monotonicMs() - healedMs < quietMaxMs) {
      await clock.advance(15_000)
      if (this.#unfinished() === 0 && !(await clock.runUntil(directoriesDiffer(this.#nodes)))) break
    }
    this.#quietAfterMs = clock.monotonicMs() - healedMs
  }

  #unfinished(): number {
    const stats = this.#nodes.map((node) => node.parts.delivery.stats())
    return stats.reduce((sum, { letters, uploads }) => sum + letters + uploads, 0)
  }

  /** Small mailboxes grow, and what waits is tried again. */
  async #makeRoom(): Promise<void> {
    for (const node of this.#nodes) {
      const { ledger, mailboxes, delivery } = node.parts
      for await (const entry of ledger.directory.entries()) {
        if (entry.home !== node.id) continue
        await using account = await mailboxes.open(entry.accountId)
        await account.setQuota(1e9)
      }
      for (const item of delivery.control.list()) {
        // Another node's letter is tried again at that node's word.
        if (!item.errand) await delivery.control.retry(item.id)
      }
    }
  }

  async check(): Promise<void> {
    const clock = this.#clock
    const complain = (what: string) => this.complain(what)
    for (const node of this.#nodes) {
      const { letters, uploads } = node.parts.delivery.stats()
      if (letters > 0) complain(`${node.name} still holds ${letters} letters: ${waiting(node)}`)
      if (uploads > 0) complain(`${node.name} still waits for ${uploads} uploads`)
    }
    const differ = await clock.runUntil(directoriesDiffer(this.#nodes))
    if (differ) complain(differ)
    await this.#observe()
    for (const what of await clock.runUntil(lostUsers(this.#nodes, this.#model))) complain(what)
    const found = await clock.runUntil(collectMail(this.#nodes, this.#model, complain))
    checkLetters(this.#model, found, complain)
    for (const [key, copies] of found) this.#log.add(`found ${key} ${copies}`)
    for (const node of this.#nodes) await clock.runUntil(node.stop())
    await clock.advance(60_000)
    if (clock.pending > 0) complain(`${clock.pending} timers are left after the nodes stopped`)
  }

  outcome(): SimulationOutcome {
    const model = this.#model
    const failed = this.#failures.length > 0
    const letter = this.#failures.map((it) => /letter (\d+)/.exec(it)?.[1]).find((it) => it !== undefined)
    return {
      seed: this.#settings.seed,
      nodes: this.#nodes.length,
      hash: this.#log.digest(),
      events: this.#log.count,
      letters: model.letters.length,
      acknowledged: model.acknowledged,
      users: model.claims.size,
      crashes: model.crashes,
      partitions: model.partitions,
      quietAfterMs: this.#quietAfterMs,
      failures: this.#failures,
      trace: failed
        ? letter === undefined
          ? this.#log.tail(40)
          : [...this.#log.tail(20, `letter ${letter} `), '…', ...this.#log.tail(20)]
        : [],
    }
  }
}

function waiting(node: SimulatedNode): string {
  const [item] = node.parts.delivery.control.list()
  const recipient = item?.recipients.find((it) => it.state === 'pending')
  return `${item?.id} for ${recipient?.address}: ${recipient?.lastResult?.text ?? 'never tried'}`
}

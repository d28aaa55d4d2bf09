// A node of the simulated mesh: the real ledger, mailboxes and delivery over memory stores that lose what was not synced.
import { createDelivery, type Courier, type Delivery } from '@skein/delivery'
import { createMailboxes, type Mailboxes, type MessageLog } from '@skein/mailboxes'
import { createLedger, signerFromSeed, type Ledger, type MeshGate, type NodeProfile } from '@skein/replication'
import { assert, isErrorCode, sleep, type Clock, type LogFields, type NodeId } from '@skein/runtime'
import {
  createMemoryLedgerStore,
  createMemoryMailboxStore,
  createMemoryMessageLog,
  createMemoryQueueStore,
  createMemoryDeadAddressStore,
  createMemoryTraceStore,
  type MemoryDiskSettings,
  type SeededRandom,
  type SimulatedNetwork,
} from '@skein/testkit'
import type { Ablation } from './ablations.ts'
import { NodeLife } from './node-life.ts'

export interface NodeSurroundings {
  clock: Clock
  random: SeededRandom
  network: SimulatedNetwork
  /** The world outside, which reads letters from this log. */
  outside(log: MessageLog, isOver: () => boolean): Courier
  ablation: Ablation
  /** The mesh has come into being. */
  isSetUp(): boolean
  quotaBytesOf(address: string): number
  log(what: string): void
  /** The node itself says that something went wrong. */
  complain(what: string): void
}

/** What runs while the node is up. */
export interface RunningParts {
  life: NodeLife
  ledger: Ledger
  mailboxes: Mailboxes
  delivery: Delivery
}

export class SimulatedNode {
  readonly id: NodeId
  readonly name: string
  readonly profile: NodeProfile
  readonly #around: NodeSurroundings
  readonly #signer: ReturnType<typeof signerFromSeed>
  #disks: ReturnType<SimulatedNode['makeDisks']>
  #lives = 0
  #life: NodeLife | undefined
  #running: RunningParts | undefined
  #gate: MeshGate | undefined

  constructor(name: string, around: NodeSurroundings) {
    this.name = name
    this.#around = around
    this.#signer = signerFromSeed(around.random.bytes(32))
    this.id = this.#signer.nodeId
    this.profile = {
      name,
      addresses: [`/ip4/127.0.0.1/tcp/9835`],
      region: name,
      hostName: `${name}.test.com`,
      version: '0.1.0',
    }
    this.#disks = this.makeDisks()
  }

  makeDisks() {
    const { clock, random } = this.#around
    const disk: MemoryDiskSettings = {
      sync: () => sleep(clock, 0.1 + random.next() ** 3 * 15),
      survives: () => random.chance(0.5),
    }
    return {
      queue: createMemoryQueueStore(disk),
      log: createMemoryMessageLog(disk),
      mailboxes: createMemoryMailboxStore(disk),
      ledger: createMemoryLedgerStore(disk),
      trace: createMemoryTraceStore(),
      deadAddresses: createMemoryDeadAddressStore(),
    }
  }

  /** What the node says of itself and thinks of others when a line to it is made; undefined while it is down. */
  get gate(): MeshGate | undefined {
    return this.#gate
  }

  get running(): RunningParts | undefined {
    return this.#running
  }

  /** What runs; throws while the node is down. */
  get parts(): RunningParts {
    if (!this.#running) throw new Error(`${this.name} is down`)
    return this.#running
  }

  /** @param enter founds or joins a mesh, the first time. */
  async start(enter?: (ledger: Ledger) => Promise<void>): Promise<void> {
    const { clock, random, network, outside, ablation, log, complain } = this.#around
    assert(!this.#life || this.#life.over, `${this.name} starts while it lives`)
    const life = new NodeLife(clock)
    this.#life = life
    this.#lives++
    const chance = random.fork(`${this.name} life ${this.#lives}`)
    const logger = life.logger((level, message, fields) => {
      log(`${this.name} ${level}: ${message}${errorText(fields)}`)
      if (level === 'error') complain(`${this.name}: ${message}${errorText(fields)}`)
    })
    const disks = this.#disks
    const common = { clock: life, random: chance, logger }
    const ledger = await createLedger({ store: disks.ledger, signer: this.#signer, ...common })
    await enter?.(ledger)
    if (life.over) return
    this.#gate = ledger.gate
    const store = ablation.mailboxes?.(disks.mailboxes) ?? disks.mailboxes
    const mailboxes = this.#homeMailboxes(createMailboxes({ store, log: disks.log, ...common }), ledger)
    const bare = network.join(this.id)
    const link = ablation.link?.(bare, this.#around.isSetUp) ?? bare
    const delivery = createDelivery(
      {
        queue: ablation.queue?.(disks.queue) ?? disks.queue,
        trace: disks.trace,
        deadAddresses: disks.deadAddresses,
        log: disks.log,
        directory: ledger.directory,
        mailboxes,
        link,
        outside: outside(disks.log, () => life.over),
        random: chance,
        logger,
        clock: ablation.clock?.(life) ?? life,
      },
      { hostName: this.profile.hostName },
    )
    ledger.attach(link)
    await delivery.start()
    if (life.over) return
    this.#running = { life, ledger, mailboxes, delivery }
    log(`${this.name} runs`)
  }

  crash(): void {
    const { network, log } = this.#around
    log(`${this.name} crashes`)
    this.#life?.end()
    this.#running = undefined
    this.#gate = undefined
    network.crash(this.id)
    const { queue, log: messages, mailboxes, ledger, trace, deadAddresses } = this.#disks
    this.#disks = {
      queue: queue.crash(),
      log: messages.crash(),
      mailboxes: mailboxes.crash(),
      ledger: ledger.crash(),
      trace,
      deadAddresses: deadAddresses.crash(),
    }
  }

  async stop(): Promise<void> {
    const { delivery, ledger, mailboxes, life } = this.parts
    await delivery.stop()
    await mailboxes.close()
    await ledger.close()
    life.end()
    this.#running = undefined
  }

  /** As the daemon does it: an account that is at home here gets its mailboxes when they are first opened. */
  #homeMailboxes(mailboxes: Mailboxes, ledger: Ledger): Mailboxes {
    const { quotaBytesOf } = this.#around
    return {
      createAccount: (id, options) => mailboxes.createAccount(id, options),
      deleteAccount: (id) => mailboxes.deleteAccount(id),
      close: () => mailboxes.close(),
      openShared: (owner, user) => mailboxes.openShared(owner, user),
      sharersWith: (id) => mailboxes.sharersWith(id),
      serverAnnotations: () => mailboxes.serverAnnotations(),
      setServerAnnotations: (changes, options) => mailboxes.setServerAnnotations(changes, options),
      onServerAnnotations: (listener) => mailboxes.onServerAnnotations(listener),
      async open(id) {
        try {
          return await mailboxes.open(id)
        } catch (error) {
          const entry = ledger.directory.byAccountId(id)
          if (!isErrorCode(error, 'no-such-account') || entry?.home !== ledger.self) throw error
          await mailboxes.createAccount(id, { quotaBytes: quotaBytesOf(entry.address), epoch: entry.epoch })
          return mailboxes.open(id)
        }
      },
    }
  }
}

function errorText(fields: LogFields): string {
  const error = fields['err']
  if (!(error instanceof Error)) return ''
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  return `: ${error.message}${cause}`
}

// Nodes of one mesh in one process for this package's tests: real delivery and mailboxes over memory stores that forget
// what was not synced, a simulated network, a virtual clock, and a map that a test sets by hand.
import assert from 'node:assert/strict'
import { createMailboxes, type Mailboxes, type MessageRecord } from '@skein/mailboxes'
import { silentLogger, sleep, type Clock, type NodeId } from '@skein/runtime'
import {
  createMemoryMailboxStore,
  createMemoryMessageLog,
  createMemoryQueueStore,
  createMemoryDeadAddressStore,
  createMemoryTraceStore,
  createSeededRandom,
  SimulatedNetwork,
  VirtualClock,
  type MemoryMailboxStore,
  type MemoryMessageLog,
  type MemoryQueueStore,
  type MemoryDeadAddressStore,
  type MemoryTraceStore,
  type SimulatedNetworkSettings,
} from '@skein/testkit'
import { createDelivery, type Delivery, type DeliverySettings } from './delivery.ts'
import { DirectoryFixture } from './directory-fixture.ts'
import type {
  Consignment,
  Courier,
  DeliveryResult,
  Destination,
  Entrances,
  IntakeEnvelope,
  IntakeSource,
  LetterExaminer,
} from './ports.ts'

export interface NodeFixture {
  id: NodeId
  delivery: Delivery
  mailboxes: Mailboxes
  queue: MemoryQueueStore
  log: MemoryMessageLog
  store: MemoryMailboxStore
  trace: MemoryTraceStore
  deadAddresses: MemoryDeadAddressStore
  /** What the outside courier was asked to carry. */
  sent: { consignment: Consignment; destination: Destination }[]
}

/** What the world outside says to each letter. */
export type Outside = (consignment: Consignment, destination: Destination, node: NodeId) => Promise<DeliveryResult[]>

export const strangerSource: IntakeSource = {
  kind: 'smtp',
  remoteAddress: '192.0.2.7',
  remoteName: 'mx.example.org',
  helo: 'mx.example.org',
  tls: null,
  protocol: 'ESMTP',
  account: null,
}

export class MeshFixture {
  readonly clock = new VirtualClock()
  readonly random = createSeededRandom(1)
  readonly map = new DirectoryFixture()
  readonly network: SimulatedNetwork
  readonly nodes = new Map<NodeId, NodeFixture>()
  readonly #lives = new Map<NodeId, { isOver: boolean }>()
  readonly settings: Partial<DeliverySettings>
  /** Called when a delivery outside is called off. */
  readonly called: (() => void)[] = []
  /** What an account's home says of where it logged in. */
  enteredAt: Entrances['enteredAt'] = async () => false
  /** What the network has seen. */
  readonly events: string[] = []
  /** Looks at the letters of nodes that start from now on. */
  examiner: LetterExaminer | undefined
  outside: Outside = async ({ recipients }, destination) =>
    recipients.map(() => ({
      atMs: this.clock.nowMs(),
      kind: 'delivered',
      code: 250,
      status: '2.0.0',
      text: 'ok',
      courier: 'outside',
      hop: destination.kind === 'outside' ? `mx.${destination.domain}` : '',
    }))

  constructor(settings: Partial<DeliverySettings> = {}, network: SimulatedNetworkSettings = {}) {
    this.settings = settings
    const onEvent = (what: string) => void this.events.push(what)
    this.network = new SimulatedNetwork(this.clock, this.random.fork('network'), { onEvent, ...network })
  }

  /** Starts a node; after a crash, from what its stores kept. */
  async start(id: NodeId): Promise<NodeFixture> {
    const before = this.nodes.get(id)
    const disk = {
      sync: () => sleep(this.clock, 0.3),
      survives: () => this.random.chance(0.5),
    }
    this.map.node(id, id)
    const queue = before ? before.queue.crash() : createMemoryQueueStore(disk)
    const log = before ? before.log.crash() : createMemoryMessageLog(disk)
    const store = before ? before.store.crash() : createMemoryMailboxStore(disk)
    const deadAddresses = before ? before.deadAddresses.crash() : createMemoryDeadAddressStore(disk)
    const trace = before?.trace ?? createMemoryTraceStore()
    const clock = this.#lifeClock(id)
    const { examiner } = this
    const random = this.random.fork(`${id} ${clock.nowMs()}`)
    const mailboxes = createMailboxes({ store, log, clock, random, logger: silentLogger })
    const sent: NodeFixture['sent'] = []
    const outside: Courier = {
      kind: 'outside',
      deliver: (consignment, destination, signal) => {
        sent.push({ consignment, destination })
        signal.addEventListener('abort', () => {
          for (const call of this.called.splice(0)) call()
        })
        return this.outside(consignment, destination, id)
      },
    }
    const directory = this.map.view(id)
    const link = this.network.join(id)
    const delivery = createDelivery(
      {
        queue,
        trace,
        entrances: { enteredAt: (account, node) => this.enteredAt(account, node) },
        deadAddresses,
        log,
        directory,
        mailboxes,
        link,
        outside,
        ...(examiner && { examiner }),
        clock,
        random,
        logger: silentLogger,
      },
      { hostName: `${id}.test.com`, ...this.settings },
    )
    const node = { id, delivery, mailboxes, queue, log, store, trace, deadAddresses, sent }
    this.nodes.set(id, node)
    await this.clock.runUntil(delivery.start())
    await this.clock.advance(1000)
    return node
  }

  /** Timers of a process that is gone do not go off. */
  #lifeClock(id: NodeId): Clock {
    const life = { isOver: false }
    this.#lives.set(id, life)
    const { clock } = this
    return {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (ms, callback) =>
        clock.setTimer(ms, () => {
          if (!life.isOver) callback()
        }),
    }
  }

  node(id: NodeId): NodeFixture {
    const node = this.nodes.get(id)
    assert.ok(node, `node ${id}`)
    return node
  }

  /** The node is gone; its stores keep what was synced, and a part of the rest. `start` brings it back. */
  crash(id: NodeId): void {
    const node = this.node(id)
    const life = this.#lives.get(id)
    if (life) life.isOver = true
    this.network.crash(id)
    node.queue = node.queue.crash()
    node.log = node.log.crash()
    node.store = node.store.crash()
  }

  async account(address: string, home: NodeId, quotaBytes = 1e9): Promise<string> {
    const entry = this.map.account(address, home)
    const made = this.node(home).mailboxes.createAccount(entry.accountId, { quotaBytes, epoch: 1 })
    await this.clock.runUntil(made)
    this.map.changed()
    return entry.accountId
  }

  submitter(address: string): IntakeSource {
    const entry = this.map.entries.get(address)
    assert.ok(entry)
    return {
      ...strangerSource,
      kind: 'submission',
      protocol: 'ESMTPSA',
      account: { id: entry.accountId, address },
    }
  }

  /** Hands a letter in as a front door would. */
  send(
    node: NodeId,
    from: string,
    to: readonly string[],
    letter: string | Uint8Array,
    source: IntakeSource = strangerSource,
    asked: Pick<IntakeEnvelope, 'options' | 'recipientOptions'> = {},
  ): Promise<{ queueId: string }> {
    const writer = this.node(node).delivery.intake.begin({
      source,
      from,
      recipients: [...to],
      smtpUtf8: false,
      eightBit: false,
      receivedMs: this.clock.nowMs(),
      ...asked,
    })
    return (async () => {
      await writer.write(Buffer.from(letter))
      return writer.finish()
    })()
  }

  /** The same, with time passing until the answer is there. */
  accept(...letter: Parameters<MeshFixture['send']>): Promise<{ queueId: string }> {
    return this.clock.runUntil(this.send(...letter))
  }

  async inbox(address: string, mailbox = 'INBOX'): Promise<{ record: MessageRecord; text: string }[]> {
    const entry = this.map.entries.get(address)
    assert.ok(entry, address)
    const read = async () => {
      await using account = await this.node(entry.home).mailboxes.open(entry.accountId)
      const messages = await account.messages(account.byName(mailbox)?.id ?? '')
      const found: { record: MessageRecord; text: string }[] = []
      for (const record of messages) {
        const bytes = await account.body(record)
        found.push({ record, text: Buffer.from(bytes).toString('latin1') })
      }
      return found
    }
    return this.clock.runUntil(read())
  }

  /** What each node's trace says of a letter, as `node what recipient`. */
  async story(key: string): Promise<string[]> {
    const all = await Promise.all([...this.nodes.values()].map((node) => node.delivery.traces(key)))
    return all
      .flat()
      .sort((a, b) => a.atMs - b.atMs)
      .map((it) => `${it.node} ${it.what} ${it.recipient}`.trim())
  }
}

/** With a Subject that is not ASCII. */
export const letter = 'Message-ID: <m1@example.org>\r\nSubject: \u4f60\u597d\r\n\r\nhello\r\n'

/** aaa lives on bj, bbb on hk. */
export async function twoNodes(...settings: ConstructorParameters<typeof MeshFixture>): Promise<MeshFixture> {
  const mesh = new MeshFixture(...settings)
  await mesh.start('bj')
  await mesh.start('hk')
  await mesh.account('aaa@test.com', 'bj')
  await mesh.account('bbb@test.com', 'hk')
  return mesh
}

// Several ledgers in one process, on a virtual clock, joined by links that a test can cut: real protocol, no sockets.
import { SkeinError, silentLogger } from '@skein/runtime'
import type { NodeId, PeerLink, PeerService } from '@skein/runtime'
import { createMemoryLedgerStore, createSeededRandom, VirtualClock } from '@skein/testkit'
import type { MemoryLedgerStore, SeededRandom } from '@skein/testkit'
import { createLedger, parseInvite, signerFromSeed } from '../src/index.ts'
import type { DirectoryEntry } from '@skein/accounts'
import type { Ledger, LedgerSettings, NodeProfile, Signer } from '../src/index.ts'

type Handler = (from: NodeId, payload: Uint8Array) => Promise<Uint8Array>

export class TestLink implements PeerLink {
  readonly self: NodeId
  readonly handlers = new Map<PeerService, Handler>()
  readonly peers = new Map<NodeId, TestLink>()
  readonly #listeners = new Set<(peer: NodeId, state: 'up' | 'down') => void>()
  readonly #clock: VirtualClock
  delayMs = 1
  /** Requests sent, by service. */
  sent = 0
  bytesSent = 0

  constructor(self: NodeId, clock: VirtualClock) {
    this.self = self
    this.#clock = clock
  }

  connected(): NodeId[] {
    return [...this.peers.keys()]
  }

  async request(to: NodeId, service: PeerService, payload: Uint8Array): Promise<Uint8Array> {
    const peer = this.peers.get(to)
    const unreachable = () => new SkeinError('peer-unreachable', 'temporary', 'not connected')
    if (!peer) throw unreachable()
    if (payload.length > 1024 * 1024) throw new Error('payload too long for one request')
    this.sent++
    this.bytesSent += payload.length
    await this.#pause()
    if (this.peers.get(to) !== peer) throw unreachable()
    const handler = peer.handlers.get(service)
    if (!handler) throw unreachable()
    const answer = await handler(this.self, payload)
    if (answer.length > 1024 * 1024) throw new Error('answer too long')
    await this.#pause()
    if (this.peers.get(to) !== peer) throw unreachable()
    return answer
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#clock.setTimer(this.delayMs, resolve))
  }

  handle(service: PeerService, handler: Handler): void {
    this.handlers.set(service, handler)
  }

  onPeerChange(listener: (peer: NodeId, state: 'up' | 'down') => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  up(peer: TestLink): void {
    this.peers.set(peer.self, peer)
    for (const listener of this.#listeners) listener(peer.self, 'up')
  }

  down(peer: NodeId): void {
    if (!this.peers.delete(peer)) return
    for (const listener of this.#listeners) listener(peer, 'down')
  }
}

export interface TestNode {
  name: string
  signer: Signer
  store: MemoryLedgerStore
  ledger: Ledger
  link: TestLink
}

export class TestMesh {
  readonly clock = new VirtualClock()
  readonly random: SeededRandom
  readonly nodes = new Map<string, TestNode>()
  readonly settings: Partial<LedgerSettings>
  recoveryKey = ''

  constructor(seed: number | string = 1, settings: Partial<LedgerSettings> = {}) {
    this.random = createSeededRandom(seed)
    this.settings = settings
  }

  profile(name: string): NodeProfile {
    return {
      name,
      addresses: [`/ip4/127.0.0.${this.nodes.size + 1}/tcp/19835`],
      region: 'here',
      hostName: `${name}.test.com`,
      version: '0.1.0',
    }
  }

  run<Result>(promise: Promise<Result>, limitMs = 120_000): Promise<Result> {
    return this.clock.runUntil(promise, limitMs)
  }

  async open(name: string, signer: Signer, store: MemoryLedgerStore): Promise<TestNode> {
    const ledger = await this.run(
      createLedger(
        {
          store,
          signer,
          clock: this.clock,
          random: this.random.fork(`${name}${this.clock.nowMs()}`),
          logger: silentLogger,
        },
        this.settings,
      ),
    )
    const link = new TestLink(signer.nodeId, this.clock)
    const node = { name, signer, store, ledger, link }
    this.nodes.set(name, node)
    ledger.gate.onGateChange(() => this.#recheck(node))
    return node
  }

  async found(name: string, domains = ['test.com']): Promise<TestNode> {
    const profile = this.profile(name)
    const node = await this.open(name, signerFromSeed(this.random.bytes(32)), createMemoryLedgerStore())
    const { recoveryKey } = await this.run(node.ledger.foundMesh({ ...profile, domains }))
    this.recoveryKey = recoveryKey
    node.ledger.attach(node.link)
    return node
  }

  /** A stranger with a key and an empty store. */
  stranger(name: string): Promise<TestNode> {
    return this.open(name, signerFromSeed(this.random.bytes(32)), createMemoryLedgerStore())
  }

  async join(name: string, through: TestNode, token?: string): Promise<TestNode> {
    const invite = parseInvite(token ?? (await this.run(through.ledger.createInvite({ ttlMs: 3_600_000, uses: 1 }))))
    const profile = this.profile(name)
    const node = await this.stranger(name)
    const request = node.ledger.joinRequest(invite, profile)
    const reply = await this.run(through.ledger.gate.acceptJoin(node.signer.nodeId, '127.0.0.1', request))
    await this.run(node.ledger.adoptJoin(invite, profile, reply))
    node.ledger.attach(node.link)
    return node
  }

  /** Greets as the mesh does. @returns false when either side refuses the other */
  async connect(a: TestNode, b: TestNode): Promise<boolean> {
    try {
      await this.run(b.ledger.gate.acceptHello(a.signer.nodeId, a.ledger.gate.helloFor(b.signer.nodeId)))
      await this.run(a.ledger.gate.acceptHello(b.signer.nodeId, b.ledger.gate.helloFor(a.signer.nodeId)))
    } catch {
      return false
    }
    a.link.up(b.link)
    b.link.up(a.link)
    return true
  }

  async connectAll(...groups: TestNode[][]): Promise<void> {
    for (const group of groups.length > 0 ? groups : [[...this.nodes.values()]]) {
      for (const [i, a] of group.entries()) {
        for (const b of group.slice(i + 1)) if (!a.link.peers.has(b.signer.nodeId)) await this.connect(a, b)
      }
    }
  }

  disconnect(a: TestNode, b: TestNode): void {
    a.link.down(b.signer.nodeId)
    b.link.down(a.signer.nodeId)
  }

  partition(...groups: TestNode[][]): void {
    const groupOf = new Map(groups.flatMap((group, i) => group.map((node) => [node.name, i] as const)))
    const all = [...this.nodes.values()]
    for (const [i, a] of all.entries()) {
      for (const b of all.slice(i + 1)) if (groupOf.get(a.name) !== groupOf.get(b.name)) this.disconnect(a, b)
    }
  }

  #recheck(node: TestNode): void {
    for (const peer of node.link.connected()) {
      if (node.ledger.gate.isMember(peer)) continue
      const other = [...this.nodes.values()].find(({ signer }) => signer.nodeId === peer)
      if (other) this.disconnect(node, other)
    }
  }

  /** Power cut and start again from what was durable. */
  async restart(node: TestNode): Promise<TestNode> {
    for (const other of this.nodes.values()) if (other !== node) this.disconnect(node, other)
    node.link.handlers.clear()
    const store = node.store.crash()
    void node.ledger.close()
    const again = await this.open(node.name, node.signer, store)
    again.ledger.attach(again.link)
    return again
  }

  /** Lets time pass until `condition` holds. @throws when it does not within `limitMs` of virtual time */
  async until(condition: () => boolean | Promise<boolean>, what: string, limitMs = 60_000): Promise<void> {
    const end = this.clock.nowMs() + limitMs
    while (!(await condition())) {
      if (this.clock.nowMs() > end) throw new Error(`not within ${limitMs} ms: ${what}`)
      await this.clock.advance(100)
    }
  }

  /** Until all these nodes list the same. @returns the list */
  async converged(nodes = [...this.nodes.values()], limitMs = 60_000): Promise<DirectoryEntry[]> {
    let lists: string[] = []
    await this.until(
      async () => {
        lists = await Promise.all(nodes.map(async (node) => JSON.stringify(await viewOf(node.ledger))))
        return new Set(lists).size === 1
      },
      'the nodes agree',
      limitMs,
    )
    return (JSON.parse(lists[0] as string) as { entries: DirectoryEntry[] }).entries
  }
}

export async function entriesOf(ledger: Ledger): Promise<DirectoryEntry[]> {
  const entries: DirectoryEntry[] = []
  for await (const entry of ledger.directory.entries()) entries.push(entry)
  return entries
}

export async function viewOf(ledger: Ledger): Promise<unknown> {
  const { directory } = ledger
  return {
    entries: await entriesOf(ledger),
    count: directory.count(),
    nodes: directory.nodes(),
    domains: directory.domains(),
    aliases: directory.aliases(),
  }
}

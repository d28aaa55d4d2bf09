// Nodes that share one judgement, for this package's tests: a simulated network, a virtual clock, stores in memory.
import { type NodeId, silentLogger } from '@skein/runtime'
import {
  type SimulatedNetworkSettings,
  SimulatedNetwork,
  VirtualClock,
  createMemoryJudgementStore,
  createSeededRandom,
} from '@skein/testkit'
import { type Judgement, createJudgement } from './judgement.ts'
import type { JudgementStore, StoredRecord } from './ports.ts'
import { type JudgementRecord, judgementKinds } from './record.ts'

export class JudgementFixture {
  readonly clock = new VirtualClock()
  readonly random
  readonly network: SimulatedNetwork
  readonly members = new Set<NodeId>()
  readonly nodes = new Map<NodeId, Judgement>()
  readonly stores = new Map<NodeId, JudgementStore>()

  constructor(seed: number, settings: SimulatedNetworkSettings = {}) {
    this.random = createSeededRandom(seed)
    this.network = new SimulatedNetwork(this.clock, this.random.fork('network'), settings)
  }

  /** Starts a node, after a crash from what its store kept. */
  async start(id: NodeId): Promise<Judgement> {
    this.members.add(id)
    const store = this.stores.get(id) ?? createMemoryJudgementStore()
    this.stores.set(id, store)
    const judgement = createJudgement({
      store,
      link: this.network.join(id),
      clock: this.clock,
      logger: silentLogger,
      isMember: (member) => this.members.has(member),
    })
    this.nodes.set(id, judgement)
    await judgement.start()
    return judgement
  }

  /** From one moment to the next: what was not saved is lost. */
  crash(id: NodeId): void {
    this.network.crash(id)
    // The dead process writes no more.
    const store = this.stores.get(id) as JudgementStore
    const { load, save } = store
    this.stores.set(id, { load, save })
    this.nodes.delete(id)
    store.save = () => new Promise(() => {})
  }

  /** What a node knows, in a form that can be compared. */
  knows(id: NodeId): string[] {
    return this.#all(id)
      .map(({ author, record }) => JSON.stringify([author, record]))
      .sort()
  }

  /** What `author` has said, as node `id` knows it. */
  saidBy(id: NodeId, author: NodeId): JudgementRecord[] {
    return this.#all(id).flatMap((stored) => (stored.author === author ? [stored.record] : []))
  }

  #all(id: NodeId): StoredRecord[] {
    const judgement = this.nodes.get(id) as Judgement
    return judgementKinds.flatMap((kind) => judgement.all(kind))
  }
}

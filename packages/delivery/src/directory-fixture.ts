// A directory for this package's tests: two domains, whatever accounts and aliases a test sets, changeable at any moment.
import type { Directory, DirectoryEntry, DomainRecord, NodeRecord } from '@skein/accounts'
import type { NodeId } from '@skein/runtime'

/** A 32-digit account id that shows its number. */
export function accountId(n: number): string {
  return n.toString(16).padStart(32, '0')
}

/** The map that all nodes of a test share; each sees it through its own `view`. */
export class DirectoryFixture {
  readonly entries = new Map<string, DirectoryEntry>()
  readonly aliases = new Map<string, string[]>()
  readonly domains = new Map<string, DomainRecord>()
  readonly nodes = new Map<NodeId, NodeRecord>()
  #accounts = 0
  readonly #listeners = new Set<() => void>()

  constructor(domains: readonly string[] = ['test.com', 'mailer.com.cn']) {
    for (const name of domains) this.domains.set(name, { name, policy: 'auto', replicas: 0 })
  }

  account(address: string, home: NodeId, state: DirectoryEntry['state'] = 'confirmed'): DirectoryEntry {
    const known = this.entries.get(address)
    const entry: DirectoryEntry = {
      address,
      accountId: known?.accountId ?? accountId(++this.#accounts),
      home,
      epoch: (known?.epoch ?? 0) + 1,
      replicas: [],
      state,
    }
    this.entries.set(address, entry)
    return entry
  }

  node(id: NodeId, name: string): void {
    this.nodes.set(id, {
      id,
      name,
      addresses: ['/ip4/127.0.0.135/tcp/19835'],
      region: '',
      priority: 100,
      enabled: true,
      description: '',
      relay: true,
      allow: [],
      version: '0',
      witness: false,
      hostName: `${name}.test.com`,
      // What a test has set outlives a restart of the node.
      ...this.nodes.get(id),
    })
  }

  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  view(self: NodeId): Directory {
    const { entries, aliases, domains, nodes } = this
    return {
      self,
      lookup: (address) => entries.get(address),
      byAccountId: (id) => [...entries.values()].find((entry) => entry.accountId === id),
      alias: (address) => aliases.get(address),
      aliases: () => Array.from(aliases, ([address, targets]) => ({ address, targets })),
      domain: (name) => domains.get(name),
      domains: () => [...domains.values()],
      node: (id) => nodes.get(id),
      nodes: () => [...nodes.values()],
      async *entries() {
        yield* entries.values()
      },
      count: () => entries.size,
      onChange: (listener) => {
        this.#listeners.add(listener)
        return () => void this.#listeners.delete(listener)
      },
    }
  }
}

// Two nodes that know one map, for the tests of this package.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  type Clock,
  type NodeId,
  type PeerLink,
  type PeerService,
  type Random,
  SkeinError,
  silentLogger,
  systemRandom,
} from '@skein/runtime'
import { type AuthenticatorComponents, type NodeAuthenticator, createAuthenticator } from './authenticator.ts'
import type { Account, AccountStore, Directory, DirectoryEntry } from './ports.ts'

/** Two nodes that know the same map; aaa lives on `bj`, bbb on `hk`. */
export function makeNodes(
  phc: string,
  more: Partial<AuthenticatorComponents> = {},
): {
  nodes: Record<NodeId, NodeAuthenticator>
  clock: { ms: number }
  down: Set<NodeId>
  accounts: Map<string, Account>
  /** What crossed the mesh. */
  requests: Uint8Array[]
} {
  const time = { ms: 1_000_000 }
  const clock: Clock = {
    nowMs: () => time.ms,
    monotonicMs: () => time.ms,
    setTimer: () => ({ cancel() {} }),
  }
  const random: Random = systemRandom
  const down = new Set<NodeId>()
  const handlers = new Map<string, (from: NodeId, payload: Uint8Array) => Promise<Uint8Array>>()
  const entries = new Map<string, DirectoryEntry>()
  const accounts = new Map<string, Account>()
  const addAccount = (address: string, home: NodeId, more: Partial<Account> = {}) => {
    const id = randomBytes(16).toString('hex')
    entries.set(address, { address, accountId: id, home, epoch: 1, replicas: [], state: 'confirmed' })
    accounts.set(id, {
      id,
      address,
      displayName: '',
      role: 'user',
      passwordHash: phc,
      quotaBytes: 1,
      state: 'active',
      createdMs: 0,
      ...more,
    })
  }
  addAccount('aaa@test.com', 'bj')
  addAccount('bbb@test.com', 'hk')
  addAccount('gone@test.com', 'bj', { state: 'suspended' })
  addAccount('nopass@test.com', 'bj', { passwordHash: null })
  const requests: Uint8Array[] = []
  const nodes: Record<NodeId, NodeAuthenticator> = {}
  for (const self of ['bj', 'hk']) {
    const link: PeerLink = {
      self,
      connected: () => [],
      onPeerChange: () => () => {},
      handle: (service: PeerService, handler) => void handlers.set(`${self} ${service}`, handler),
      async request(to, service, payload) {
        if (down.has(to)) throw new SkeinError('peer-unreachable', 'temporary', 'down')
        const handler = handlers.get(`${to} ${service}`)
        assert.ok(handler)
        requests.push(payload)
        return handler(self, payload)
      },
    }
    const directory = {
      self,
      lookup: (address: string) => entries.get(address),
      domains: () => [{ name: 'test.com', policy: 'auto', replicas: 1 }],
      node: (id: NodeId) => ({ id, name: id, hostName: `${id}.test.com` }),
    } as unknown as Directory
    const store = {
      // Each node holds only its own accounts.
      get: async (id: string) => {
        const entry = [...entries.values()].find((one) => one.accountId === id)
        return entry?.home === self ? accounts.get(id) : undefined
      },
      async update(id: string, change: (account: Account | undefined) => Account | undefined) {
        const changed = change(accounts.get(id))
        if (changed) accounts.set(id, changed)
      },
    } as unknown as AccountStore
    nodes[self] = createAuthenticator(
      { directory, accounts: store, link, clock, random, logger: silentLogger, ...more },
      { takesCertificates: true },
    )
  }
  return { nodes, clock: time, down, accounts, requests }
}

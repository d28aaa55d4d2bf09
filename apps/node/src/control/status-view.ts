// What `skein status` shows.
import type { Service } from '../profile.ts'

export interface Listener {
  service: Service | 'lmtp'
  address: string
  port: number
}

export interface StatusView {
  state: 'ready' | 'stopping'
  name: string
  nodeId: string
  meshId: string
  version: string
  startedMs: number
  memoryBytes: number
  listeners: Listener[]
  peers: { name: string; id: string; state: 'up' | 'down'; address: string | null; rttMs: number | null }[]
  directory: { nodes: number; users: number; domains: number; aliases: number }
  queue: { letters: number; recipients: number; bytes: number }
  /** Since the start; bans as they stand now. */
  door: { visits: number; refused: Readonly<Record<string, number>>; tarpitted: number; bans: number }
  proposals: { name: string; by: string[]; reason: string }[]
  certificate: { selfMade: boolean; notAfterMs: number }
  warnings: string[]
}

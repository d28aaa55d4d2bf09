// Real mesh nodes on loopback for tests: each with its own gate, all made members of each other by `introduce`.
import { createMesh, generateNodeKey } from '@skein/mesh'
import type { Mesh, MeshSettings } from '@skein/mesh'
import { silentLogger, systemClock, systemRandom } from '@skein/runtime'
import type { Clock, Logger, NodeId, PeerService } from '@skein/runtime'
import { OpenGate } from './open-gate.ts'

export interface TestNode extends AsyncDisposable {
  readonly id: NodeId
  readonly privateKey: Uint8Array
  readonly gate: OpenGate
  readonly mesh: Mesh
}

export interface TestNodeOptions {
  ip?: string
  port?: number
  privateKey?: Uint8Array
  gate?: OpenGate
  clock?: Clock
  logger?: Logger
  settings?: Partial<MeshSettings>
  /** Not started when false. */
  start?: boolean
}

export async function startNode(options: TestNodeOptions = {}): Promise<TestNode> {
  const key =
    options.privateKey === undefined ? generateNodeKey() : { privateKey: options.privateKey, nodeId: undefined }
  const privateKey = key.privateKey
  const { nodeIdOf } = await import('@skein/mesh')
  const id = key.nodeId ?? nodeIdOf(privateKey)
  const gate = options.gate ?? new OpenGate(id)
  const mesh = await createMesh(
    {
      gate,
      privateKey,
      clock: options.clock ?? systemClock,
      random: systemRandom,
      logger: options.logger ?? silentLogger,
    },
    { listenAddresses: [`/ip4/${options.ip ?? '127.0.0.1'}/tcp/${options.port ?? 0}`], ...options.settings },
  )
  if (options.start !== false) await mesh.start()
  return { id, privateKey, gate, mesh, [Symbol.asyncDispose]: () => mesh.stop() }
}

export function introduce(...nodes: TestNode[]): void {
  for (const node of nodes) {
    for (const other of nodes) {
      if (other !== node) node.gate.members.set(other.id, other.mesh.listenAddresses())
    }
  }
  for (const node of nodes) node.gate.changed()
}

export async function connectAll(...nodes: TestNode[]): Promise<void> {
  introduce(...nodes)
  await until('all are connected', () => nodes.every((node) => node.mesh.connected().length === nodes.length - 1))
}

export function echo(node: TestNode, service: PeerService = 'mail'): void {
  node.mesh.handle(service, async (_from, payload) => payload)
}

export async function until(what: string, condition: () => boolean, deadlineMs = 10_000): Promise<void> {
  const endMs = Date.now() + deadlineMs
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The system's clock, `factor` times faster: what takes a minute is seen in seconds. */
export function fastClock(factor: number): Clock {
  const startMs = performance.now()
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => (performance.now() - startMs) * factor,
    setTimer: (delayMs, callback) => systemClock.setTimer(delayMs / factor, callback),
  }
}

/** The TCP port of a node's first listen address. */
export function portOf(node: TestNode): number {
  const port = /\/tcp\/(\d+)/.exec(node.mesh.listenAddresses()[0] ?? '')?.[1]
  if (port === undefined) throw new Error('the node does not listen')
  return Number(port)
}

// queue.*, trace, check: letters on their way, and what is stored.
import type { TraceEvent } from '@skein/delivery'
import { decodeCbor, encodeCbor } from '@skein/runtime'
import { z } from 'zod'
import { type NodeParts, type Operation, nameOfNode, operation } from './operation.ts'

const traceTimeoutMs = 3_000
const traceEventsMax = 10_000

/** This node's own part of a letter's story. */
const localTrace = operation({
  name: 'trace.local',
  params: z.strictObject({ key: z.string().min(1).max(1000) }),
  fromPeers: true,
  run: async (parts, { key }) => (await parts.delivery.traces(key)).slice(-traceEventsMax),
})

const trace = operation({
  name: 'trace',
  params: z.strictObject({ key: z.string().min(1).max(1000) }),
  fromPeers: false,
  async run(parts, { key }) {
    const { ledger, mesh } = parts
    const others = ledger.directory.nodes().filter((node) => node.id !== ledger.self)
    const silent: string[] = []
    const told = await Promise.all(
      others.map(async (node): Promise<TraceEvent[]> => {
        try {
          const request = encodeCbor({ op: 'trace.local', params: { key } })
          const reply = await mesh.request(node.id, 'admin', request, { timeoutMs: traceTimeoutMs })
          return decodeCbor(reply) as unknown as TraceEvent[]
        } catch {
          silent.push(node.name)
          return []
        }
      }),
    )
    const events = [...(await parts.delivery.traces(key)), ...told.flat()]
    events.sort((a, b) => a.atMs - b.atMs)
    const named = (text: string) => others.reduce((told, node) => told.replaceAll(node.id, node.name), text)
    return {
      events: events.map((event) => ({
        ...event,
        nodeName: nameOfNode(parts, event.node),
        detail: named(event.detail),
      })),
      silent,
    }
  },
})

function queueOperation(name: string, act: (parts: NodeParts, id: string) => Promise<void>): Operation {
  return operation({
    name: `queue.${name}`,
    params: z.strictObject({ id: z.string() }),
    fromPeers: false,
    async run(parts, { id }) {
      await act(parts, id)
      return { id }
    },
  })
}

export const mailOperations: Operation[] = [
  localTrace,
  trace,
  operation({
    name: 'queue.list',
    params: z.strictObject({}),
    fromPeers: false,
    run: async (parts) => parts.delivery.control.list(),
  }),
  queueOperation('retry', (parts, id) => parts.delivery.control.retry(id)),
  queueOperation('hold', (parts, id) => parts.delivery.control.hold(id)),
  queueOperation('cancel', (parts, id) => parts.delivery.control.cancel(id)),
  operation({
    name: 'check',
    params: z.strictObject({}),
    fromPeers: false,
    run: (parts) => parts.check(),
  }),
]

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

/** What a peer that has the letter means for the operator's word; nothing where none has it. */
function handOverNote(parts: NodeParts, id: string): { note?: string } {
  const item = parts.delivery.control.list().find((it) => it.id === id)
  const handedOver = item?.recipients.find((it) => it.handOver)
  if (!handedOver?.handOver) return {}
  const name = nameOfNode(parts, handedOver.handOver.node)
  if (!handedOver.handOver.wish) return { note: `${id} is with ${name}, which was asked to hurry` }
  return { note: `${id} is with ${name}, which was asked for it back: it comes back unless it is sent already` }
}

function queueOperation(name: string, act: (parts: NodeParts, id: string) => Promise<void>): Operation {
  return operation({
    name: `queue.${name}`,
    params: z.strictObject({ id: z.string() }),
    fromPeers: false,
    async run(parts, { id }) {
      await act(parts, id)
      return { id, ...handOverNote(parts, id) }
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
    run: async (parts) =>
      parts.delivery.control.list().map((item) => ({
        ...item,
        ...(item.errand && { errandOf: nameOfNode(parts, item.errand.origin) }),
        recipients: item.recipients.map((it) =>
          it.handOver ? { ...it, relay: nameOfNode(parts, it.handOver.node) } : it,
        ),
      })),
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

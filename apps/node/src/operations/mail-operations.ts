// queue.*, trace, check: letters on their way, and what is stored.
import type { DeadAddress, TraceEvent } from '@skein/delivery'
import { SkeinError, isErrorCode } from '@skein/runtime'
import { z } from 'zod'
import { askOthers } from './ask-others.ts'
import { type NodeParts, type Operation, nameOfNode, operation } from './operation.ts'

const traceEventsMax = 10_000
const suppressionsMax = 2_000

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
    const { ledger } = parts
    const others = ledger.directory.nodes().filter((node) => node.id !== ledger.self)
    const { answers, silent } = await askOthers(parts, 'trace.local', { key })
    const told = answers.map(({ answer }) => answer as unknown as TraceEvent[])
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

/** Addresses outside that letters of this node came back from. */
const localSuppressions = operation({
  name: 'suppression.local',
  params: z.strictObject({}),
  fromPeers: true,
  run: async (parts) => parts.delivery.deadAddresses.list().slice(0, suppressionsMax),
})

const listSuppressions = operation({
  name: 'suppression.list',
  params: z.strictObject({}),
  fromPeers: false,
  async run(parts) {
    const { answers, silent } = await askOthers(parts, 'suppression.local', {})
    const own = { node: nameOfNode(parts, parts.ledger.self), answer: parts.delivery.deadAddresses.list() }
    const addresses = [own, ...answers].flatMap(({ node, answer }) =>
      (answer as unknown as DeadAddress[]).map((record) => ({ node, ...record })),
    )
    return { addresses, silent }
  },
})

const address = z.string().min(1).max(1000)

const removeLocalSuppression = operation({
  name: 'suppression.forget',
  params: z.strictObject({ address }),
  fromPeers: true,
  async run(parts, params) {
    try {
      await parts.delivery.deadAddresses.remove(params.address)
      return true
    } catch (error) {
      if (isErrorCode(error, 'not-suppressed')) return false
      throw error
    }
  },
})

const removeSuppression = operation({
  name: 'suppression.remove',
  params: z.strictObject({ address }),
  fromPeers: false,
  async run(parts, params) {
    const here = await removeLocalSuppression.run(parts, params as never, parts.ledger.self)
    const { answers, silent } = await askOthers(parts, 'suppression.forget', params)
    const own = { node: nameOfNode(parts, parts.ledger.self), answer: here }
    const nodes = [own, ...answers].filter(({ answer }) => answer === true).map(({ node }) => node)
    if (nodes.length === 0) {
      const but = silent.length > 0 ? ` (not asked, because not reachable: ${silent.join(', ')})` : ''
      throw new SkeinError('not-suppressed', 'refused', `no letter to ${params.address} came back lately${but}`)
    }
    return { address: params.address, nodes, silent }
  },
})

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
  localSuppressions,
  listSuppressions,
  removeLocalSuppression,
  removeSuppression,
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

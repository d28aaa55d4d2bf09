// The part of a letter's life in which another node sends it: what happens to its recipients, one at a time. Pure. The table in README.md shows the states of a ticket and what a crash on either side leaves.
import type { NodeId } from '@skein/runtime'
import type { HandOver, QueueItem, QueueRecipient, RefusedWay } from '../ports.ts'
import type { HandOverEvent } from './letter.ts'

export function isUnder(recipient: QueueRecipient, ticket: string): boolean {
  return recipient.state === 'handed-over' && recipient.handOver?.ticket === ticket
}

/** Every hand-over of the letter that is not settled, with the recipients that it is for. */
export function handOversOf(item: QueueItem): { handOver: HandOver; recipients: QueueRecipient[] }[] {
  const found = new Map<string, { handOver: HandOver; recipients: QueueRecipient[] }>()
  for (const recipient of item.recipients) {
    const { state, handOver } = recipient
    if (state !== 'handed-over' || !handOver) continue
    const under = found.get(handOver.ticket)
    if (under) under.recipients.push(recipient)
    else found.set(handOver.ticket, { handOver, recipients: [recipient] })
  }
  return [...found.values()]
}

export function offered(
  before: QueueRecipient,
  { ticket, node, atMs }: Extract<HandOverEvent, { event: 'offered' }>,
): QueueRecipient {
  return { ...before, state: 'handed-over', handOver: { ticket, node, sinceMs: atMs, phase: 'offered' } }
}

export function granted(before: QueueRecipient, stage: string): QueueRecipient {
  return before.handOver ? { ...before, handOver: { ...before.handOver, phase: 'granted', stage } } : before
}

/** This node's again, to be tried at `atMs`. */
export function takenBack(before: QueueRecipient, atMs: number): QueueRecipient {
  const { handOver: _, ...after } = before
  return { ...after, state: 'pending', nextAttemptMs: atMs }
}

/** The newest answer of a node replaces an older one. */
export function withRefusedWay(recipient: QueueRecipient, way: RefusedWay): QueueRecipient {
  const others = (recipient.refusedWays ?? []).filter((it) => it.node !== way.node)
  return { ...recipient, refusedWays: [...others, way] }
}

/** After a round that found no way: this node's own address may be tried again, those that tried are not asked again. */
export function withoutOwnRefusal(recipient: QueueRecipient, self: NodeId): QueueRecipient {
  const { refusedWays, ...after } = recipient
  const others = (refusedWays ?? []).filter((it) => it.node !== self)
  return others.length > 0 ? { ...after, refusedWays: others } : after
}

/** What an operator's word makes of a recipient that another node may be sending. */
export function withWish(recipient: QueueRecipient, wish: NonNullable<HandOver['wish']>): QueueRecipient {
  return recipient.handOver ? { ...recipient, handOver: { ...recipient.handOver, wish } } : recipient
}

/** At start: what this node holds for others waits until its owner has said again that it may go. */
export function awaitingGrant(item: QueueItem): QueueItem {
  if (!item.errand || !item.recipients.some((it) => it.state === 'pending')) return item
  return {
    ...item,
    recipients: item.recipients.map((it) => (it.state === 'pending' ? { ...it, state: 'held' as const } : it)),
  }
}

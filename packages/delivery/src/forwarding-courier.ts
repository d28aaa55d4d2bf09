// The way out for letters that are sent on: their envelope sender becomes one of ours (SRS), so that the next host's SPF check
// passes and a bounce finds its way back through any node; and they say through which address they left, which stops circles.
import type { Directory } from '@skein/accounts'
import { formatField, splitAddress, srsRewrite } from '@skein/mail'
import type { Clock } from '@skein/runtime'
import type { Courier, DeliveryResult, QueueItem, QueueRecipient } from './ports.ts'

export interface SrsSecrets {
  /** Rewrites. Absent: there is none yet. */
  newest?: Uint8Array
  /** All with which addresses may have been made. */
  known: readonly Uint8Array[]
}

export interface ForwardingCourierComponents {
  outside: Courier
  directory: Directory
  clock: Clock
  srsSecrets(): SrsSecrets
}

export function createForwardingCourier(components: ForwardingCourierComponents): Courier {
  const { outside } = components
  return {
    kind: 'outside',
    async deliver(consignment, destination, signal) {
      const { item, recipients } = consignment
      if (recipients.every(({ forwardedFor }) => forwardedFor === undefined)) {
        return outside.deliver(consignment, destination, signal)
      }
      // Each forwarder's letter apart: nobody learns through whom another one got it.
      const groups = new Map<string | undefined, QueueRecipient[]>()
      for (const recipient of recipients) {
        const group = groups.get(recipient.forwardedFor)
        if (group) group.push(recipient)
        else groups.set(recipient.forwardedFor, [recipient])
      }
      const results = new Map<number, DeliveryResult>()
      for (const [via, group] of groups) {
        const sent = via === undefined ? item : sentOn(components, item, via)
        const given = await outside.deliver({ ...consignment, item: sent, recipients: group }, destination, signal)
        for (const [at, { index }] of group.entries()) if (given[at]) results.set(index, given[at])
      }
      return recipients.flatMap(({ index }) => results.get(index) ?? [])
    },
  }
}

function sentOn(
  { directory, clock, srsSecrets }: ForwardingCourierComponents,
  item: QueueItem,
  via: string,
): QueueItem {
  const outsideFields = `${formatField('Delivered-To', via)}${item.outsideFields ?? ''}`
  const { domain } = splitAddress(item.from)
  if (item.from === '' || directory.domain(domain)) return { ...item, outsideFields }
  const { newest } = srsSecrets()
  const rewritten = newest && srsRewrite(item.from, splitAddress(via).domain, newest, clock.nowMs())
  // Where it finds no room, whoever sends his mail on answers for it: a bounce to him has no sender and ends there.
  return { ...item, from: rewritten ?? via, outsideFields }
}

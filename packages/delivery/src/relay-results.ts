// What came of a letter that one node sent for another: from the relay's queue to the wire, and from there to the origin's.
import type { NodeId } from '@skein/runtime'
import type { DeliveryResult, QueueItem } from './ports.ts'
import type { RelayResult } from './relay-wire.ts'

/** At the relay, of a letter whose recipients are all final. */
export function resultsOf(item: QueueItem): RelayResult[] {
  return item.recipients.map(({ index, state, lastResult }) => {
    const recalled = state === 'cancelled'
    const text = 'taken out there by its operator'
    const unsent = { kind: 'temporary' as const, code: 451, status: '4.3.0', text, hop: '' }
    const said = recalled || !lastResult ? unsent : lastResult
    return {
      index,
      end: state === 'delivered' ? 'delivered' : recalled ? 'recalled' : 'failed',
      kind: said.kind,
      code: said.code,
      status: said.status,
      text: said.text,
      hop: said.hop,
      dsnPassedOn: lastResult?.dsnPassedOn ?? false,
      deliverByPassedOn: lastResult?.deliverByPassedOn ?? false,
    }
  })
}

/** At the origin: as if this node had tried itself. */
export function resultOf(
  said: RelayResult | undefined,
  atMs: number,
  node: NodeId,
  text = 'no word of it',
): DeliveryResult {
  if (!said) return { atMs, kind: 'temporary', code: 451, status: '4.4.7', text, courier: 'peer', hop: node }
  const { kind, code, status, hop, dsnPassedOn, deliverByPassedOn } = said
  return {
    atMs,
    kind,
    code,
    status,
    text: said.text,
    courier: 'outside',
    hop,
    ...(dsnPassedOn && { dsnPassedOn }),
    ...(deliverByPassedOn && { deliverByPassedOn }),
  }
}

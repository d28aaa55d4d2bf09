// Who gets a letter: the envelope's recipients after aliases and forwards, each address once, with what the sender asked for
// each. A letter that came back from a forward stays in the mailbox of whoever sends his mail on.
import type { Directory } from '@skein/accounts'
import type { IntakeEnvelope, QueueItem, RecipientOptions } from './ports.ts'
import { expandAddress, queueAddress, type Expansion, type ExpansionSettings, type Refusal } from './route.ts'

export interface NamedAddressee {
  address: string
  original: string
  options?: RecipientOptions
  /** See QueueRecipient. */
  forwardedFor?: string
  /** Goes in a circle: nobody gets it, and its sender hears of it. */
  lost?: Refusal
}

export interface Addressees {
  named: NamedAddressee[]
  expansionsOwed: NonNullable<QueueItem['expansionsOwed']>
}

/** @param passedOver hears of dead ends behind an alias that leads to others too. */
export function addresseesOf(
  { recipients, recipientOptions, from }: Pick<IntakeEnvelope, 'recipients' | 'recipientOptions' | 'from'>,
  directory: Directory,
  routes: ExpansionSettings,
  passedOver: (original: string, refusals: Expansion['refusals']) => void,
): Addressees {
  const seen = new Map<string, NamedAddressee>()
  const inLists = new Set<string>()
  const expansionsOwed: { original: string; orcpt?: string }[] = []
  recipients.forEach((original, at) => {
    const { targets, forwarded, refusals } = expandAddress(directory, original, routes)
    const options = recipientOptions?.[at]
    const isList = targets.length > 1
    if (isList && from !== '' && options?.notify?.includes('success')) {
      expansionsOwed.push({ original, ...(options.orcpt !== undefined && { orcpt: options.orcpt }) })
    }
    const passedOn = isList ? withoutSuccess(options) : options
    // Whoever the map has lost since RCPT stays, so that the sender hears of it.
    for (const address of targets.length > 0 ? targets : [queueAddress(directory, original) ?? original]) {
      // What was asked for a person counts for him, whatever was asked for a list that he is on.
      if (seen.has(address) && (isList || !inLists.has(address))) continue
      if (isList) inLists.add(address)
      else inLists.delete(address)
      const forwardedFor = forwarded.get(address)
      seen.set(address, {
        address,
        original,
        ...(passedOn && { options: passedOn }),
        ...(forwardedFor !== undefined && { forwardedFor }),
        ...(targets.length === 0 && lostInCircle(refusals)),
      })
    }
    if (targets.length > 0 && refusals.length > 0) passedOver(original, refusals)
  })
  return { named: [...seen.values()], expansionsOwed }
}

/**
 * What is judged to be unwanted is not sent on to other mail systems, which would think the worse of this one: it stays in the
 * mailbox (under Junk) of whoever sends his mail on. An alias has no mailbox, and sends it on all the same.
 */
export function keptAtHome(named: readonly NamedAddressee[], directory: Directory): NamedAddressee[] {
  const kept = new Map<string, NamedAddressee>()
  for (const it of named) {
    const home = it.forwardedFor === undefined ? undefined : directory.lookup(it.forwardedFor)
    if (!home) kept.set(it.address, it)
    else if (!kept.has(home.address)) {
      const { forwardedFor: _, ...rest } = it
      kept.set(home.address, { ...rest, address: home.address })
    }
  }
  return [...kept.values()]
}

function lostInCircle(refusals: Expansion['refusals']): { lost?: Refusal } {
  const loop = refusals.find(({ refusal }) => refusal.status === '5.4.6')
  return loop ? { lost: loop.refusal } : {}
}

/** RFC 3461 §5.2.7.3 (c): the sender is told of the list, not of each one on it. */
function withoutSuccess(options: RecipientOptions | undefined): RecipientOptions | undefined {
  if (!options?.notify?.includes('success')) return options
  return { ...options, notify: options.notify.filter((wish) => wish !== 'success') }
}

// May this source send to that address: said at RCPT, from the map alone, so that a stranger's mail that can't be
// delivered is refused while the stranger is still there, and never bounced to a forged sender.
import type { AccountId, Directory } from '@skein/accounts'
import type { DeadAddress, IntakeSource, RecipientVerdict } from './ports.ts'
import { expandAddress, meaningOf, queueAddress, type RouteSettings } from './route.ts'

export interface RecipientCheckComponents {
  directory: Directory
  /** Known to be full just now. */
  isOverQuota(accountId: AccountId): boolean
  /** Why letters of our users to that address outside are not taken now. */
  deadAddress?(address: string): DeadAddress | undefined
}

export function checkRecipient(
  { directory, isOverQuota, deadAddress }: RecipientCheckComponents,
  source: Pick<IntakeSource, 'kind'>,
  text: string,
  settings: RouteSettings = {},
  from?: string,
): RecipientVerdict {
  const address = queueAddress(directory, text)
  if (address === undefined) return { kind: 'refused', code: 501, status: '5.1.3', text: 'that is not an address' }
  const meaning = meaningOf(directory, address, settings)
  if (meaning.kind === 'refused') return meaning
  if (meaning.kind === 'outside') {
    // Never an open relay.
    if (source.kind !== 'submission') {
      return { kind: 'refused', code: 550, status: '5.7.1', text: 'relaying denied: that domain is not served here' }
    }
    const dead = deadAddress?.(address)
    return dead ? suppressed(dead) : { kind: 'accepted', address }
  }
  // Whoever forged a sender and had it sent on to himself may not use the return address as a relay.
  if (meaning.kind === 'returning' && from !== '') return bouncesOnly
  if (meaning.kind === 'account' && !meaning.entry.forward) return room(meaning.entry.accountId, address, isOverQuota)
  const { targets, refusals } = expandAddress(directory, address, settings)
  const [only] = targets
  if (only === undefined) {
    return refusals[0]?.refusal ?? { kind: 'refused', code: 550, status: '5.1.1', text: 'no such user here' }
  }
  const end = targets.length === 1 ? meaningOf(directory, only, settings) : undefined
  return end?.kind === 'account' ? room(end.entry.accountId, address, isOverQuota) : { kind: 'accepted', address }
}

function suppressed({ failures, refusedUntilMs }: DeadAddress): RecipientVerdict {
  const until = new Date(refusedUntilMs).toISOString().slice(0, 16)
  const said = failures.at(-1)?.said ?? ''
  const text = `${failures.length} letters to that address came back lately (${said}); not tried again before ${until}Z`
  return { kind: 'refused', code: 550, status: '5.1.1', text }
}

const bouncesOnly: RecipientVerdict = {
  kind: 'refused',
  code: 550,
  status: '5.7.1',
  text: 'that address takes notices of delivery only',
}

// RFC 3463 §3.3: full, and there may be room again later.
function room(accountId: AccountId, address: string, isFull: (accountId: AccountId) => boolean): RecipientVerdict {
  return isFull(accountId)
    ? { kind: 'refused', code: 452, status: '4.2.2', text: 'this mailbox is full' }
    : { kind: 'accepted', address }
}

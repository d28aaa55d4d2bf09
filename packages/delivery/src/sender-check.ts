// May this source use that sender address. Who is logged in speaks as himself: his own address, its +tags, and aliases
// that lead to him. Mail from outside may not claim a logged-in user's rights, but its sender is nobody's to check here.
import { canonicalAddress, splitAddress, stripSubaddress } from '@skein/mail'
import type { Directory } from '@skein/accounts'
import type { IntakeSource, RecipientVerdict } from './ports.ts'
import { expandAddress, meaningOf, type RouteSettings } from './route.ts'

export function checkSender(
  directory: Directory,
  source: Pick<IntakeSource, 'kind' | 'account'>,
  from: string,
  settings: RouteSettings = {},
): RecipientVerdict {
  if (source.kind === 'submission' && source.account && !isLive(directory, source.account.id)) {
    return { kind: 'refused', code: 550, status: '5.7.1', text: 'this account may not send any more' }
  }
  // Notices of delivery and of reading have no sender (RFC 8098 §3), from mail programs too.
  if (from === '') return { kind: 'accepted', address: '' }
  const address = canonicalAddress(from)
  if (address === undefined) return { kind: 'refused', code: 501, status: '5.1.7', text: 'that is not an address' }
  if (source.kind !== 'submission') return { kind: 'accepted', address }
  if (source.account && maySpeakAs(directory, source.account, address, settings)) return { kind: 'accepted', address }
  return { kind: 'refused', code: 553, status: '5.7.1', text: 'you may not send as that address' }
}

/** @param address in canonical form. */
export function maySpeakAs(
  directory: Directory,
  account: { id: string; address: string },
  address: string,
  settings: RouteSettings = {},
): boolean {
  // Somebody else may have the whole name, `+` and all.
  const holder = directory.lookup(address)
  if (holder) return holder.accountId === account.id
  if (withoutTag(address) === account.address) return true
  const { domain } = splitAddress(address)
  if (!directory.domain(domain)) return false
  // Whoever sends his mail on to somebody does not lend him his name.
  return expandAddress(directory, address, { ...settings, forwards: false }).targets.some((target) => {
    const meaning = meaningOf(directory, target, settings)
    return meaning.kind === 'account' && meaning.entry.accountId === account.id
  })
}

/**
 * RFC 6409 §8.1, RFC 5322 §3.6.2: who has sent a letter is said where its From does not say it: several authors, or one of
 * another mail system, for whom nobody here can speak. His own address, tags and aliases need no explanation.
 * @param from canonical addresses in the From field
 * @returns the address for a Sender field, or undefined where none is needed
 */
export function senderToTell(
  directory: Directory,
  account: { address: string },
  from: readonly string[],
): string | undefined {
  const [author] = from
  if (author === undefined || (from.length === 1 && directory.domain(splitAddress(author).domain))) return undefined
  return account.address
}

/** A session outlives its login: the account may have been suspended or removed meanwhile. */
function isLive(directory: Directory, accountId: string): boolean {
  const state = directory.byAccountId(accountId)?.state
  return state !== undefined && state !== 'suspended'
}

function withoutTag(address: string): string {
  const { local, domain } = splitAddress(address)
  return `${stripSubaddress(local).base}@${domain}`
}

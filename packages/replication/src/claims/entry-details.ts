// What an entry says beside the claim itself: a map as its ninth element, absent while there is nothing to say. Names that
// are not known here stay.
import type { DirectoryEntry } from '@skein/accounts'
import type { MailSettings } from '../ledger-api.ts'
import { isMap, textListOf } from '../wire/fields.ts'
import type { CborMap } from '../wire/fields.ts'
import type { EntryValue } from './entry-value.ts'

function mapOf({ extra }: EntryValue): CborMap {
  const [first] = extra
  return isMap(first) ? first : {}
}

/** Never throws: what can't be read is not there. */
export function detailsOf(value: EntryValue): Pick<DirectoryEntry, 'forward' | 'savesSent'> {
  if (value.extra.length === 0) return {}
  const { forward, keep, sent } = mapOf(value)
  let to: string[] = []
  try {
    if (forward !== undefined) to = textListOf(forward, 'forward', 100)
  } catch {
    to = []
  }
  return {
    ...(to.length > 0 && { forward: { to, keep: keep !== false } }),
    ...(sent === true && { savesSent: true }),
  }
}

export function withDetails(value: EntryValue, { forward, savesSent }: MailSettings): EntryValue {
  const details: CborMap = { ...mapOf(value) }
  if (forward !== undefined) {
    delete details['forward']
    delete details['keep']
    if (forward !== null) Object.assign(details, { forward: forward.to, keep: forward.keep })
  }
  if (savesSent !== undefined) {
    delete details['sent']
    if (savesSent) details['sent'] = true
  }
  const rest = value.extra.slice(1)
  const isEmpty = Object.keys(details).length === 0 && rest.length === 0
  return { ...value, extra: isEmpty ? [] : [details, ...rest] }
}

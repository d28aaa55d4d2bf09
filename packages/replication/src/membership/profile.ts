// A node's words about itself as they stand in membership entries and join requests.
import type { CborValue } from '@skein/runtime'
import type { NodeProfile } from '../ledger-api.ts'
import { ledgerLimits } from '../limits.ts'
import { mapOf, textListOf, textOf } from '../wire/fields.ts'
import type { CborMap } from '../wire/fields.ts'

export function encodeProfile(profile: NodeProfile): CborMap {
  return {
    name: profile.name,
    addresses: profile.addresses,
    region: profile.region,
    hostName: profile.hostName,
    version: profile.version,
    witness: profile.witness ?? false,
    capacity: profile.capacity ?? 1,
  }
}

/** @throws SkeinError `malformed-record` */
export function decodeProfile(value: CborValue | undefined): NodeProfile {
  const map = mapOf(value, 'profile')
  const capacity = map['capacity']
  return {
    name: textOf(map['name'], 'name', 4 * ledgerLimits.nodeNameCharactersMax),
    addresses: textListOf(map['addresses'], 'addresses', ledgerLimits.addressesPerNodeMax),
    region: textOf(map['region'], 'region', 255),
    hostName: textOf(map['hostName'], 'host name', 255),
    version: textOf(map['version'], 'version', 255),
    witness: map['witness'] === true,
    capacity: typeof capacity === 'number' && capacity > 0 ? capacity : 1,
  }
}

// For which domain a client asks, from what it says: an address in the query or in the body, or only the host it came to.
import { canonicalAddress, canonicalDomain } from '@skein/mail'
import type { DiscoveryFacts } from './mail-service.ts'

const addressCharactersMax = 320

/** `name@domain` as it was typed, trimmed; undefined when it is too long or no address. */
export function typedAddress(text: string | undefined | null): string | undefined {
  const typed = text?.trim()
  if (typed === undefined || typed === '' || typed.length > addressCharactersMax) return undefined
  return canonicalAddress(typed) === undefined ? undefined : typed
}

/** Whether the user exists plays no part: every address of a domain is answered alike. */
export function domainOfAddress(address: string, facts: DiscoveryFacts): string | undefined {
  const domain = canonicalDomain(address.slice(address.lastIndexOf('@') + 1))
  return domain !== undefined && facts.hasDomain(domain) ? domain : undefined
}

/** `autoconfig.test.com`, `test.com` and so on; a mesh with one domain means that one whatever it is called by. */
export function domainOfHost(hostName: string, facts: DiscoveryFacts): string | undefined {
  const labels = canonicalDomain(hostName)?.split('.') ?? []
  const names = labels[0] === 'autoconfig' || labels[0] === 'autodiscover' ? [labels.slice(1), labels] : [labels]
  const found = names.map((parts) => parts.join('.')).find((name) => name !== '' && facts.hasDomain(name))
  if (found !== undefined) return found
  const all = facts.domains()
  return all.length === 1 ? all[0] : undefined
}

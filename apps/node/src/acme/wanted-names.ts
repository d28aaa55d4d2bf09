// Which names a node's certificate is to have: its host name, and those shared ones that lead to nodes of this mesh and nowhere else.
import { publishedAddresses, sharedLabels } from '@skein/admin'
import type { Directory } from '@skein/accounts'
import { type DnsResolver, SkeinError, createAddressSet } from '@skein/runtime'
import { acmeLimits } from './limits.ts'

export interface NameFacts {
  directory: Directory
  resolver: DnsResolver
  hostName: string
}

/** @param held names of the certificate in use: kept while the DNS gives no answer */
export async function wantedNames(
  { directory, resolver, hostName }: NameFacts,
  { method, held }: { method: 'http-01' | 'dns-01'; held: readonly string[] },
): Promise<string[]> {
  const shared = directory.domains().flatMap(({ name }) => sharedLabels.map((label) => `${label}.${name}`))
  const others = new Set(directory.nodes().map((node) => node.hostName))
  const names = shared.filter((name) => !others.has(name)).slice(0, acmeLimits.namesMax - 1)
  if (method === 'dns-01') return [hostName, ...names]
  const own = directory.nodes().flatMap(publishedAddresses)
  const isOwn = createAddressSet(own)
  const leads = await Promise.all(
    names.map(async (name) => {
      const addresses = await addressesOf(name, resolver)
      if (addresses === undefined) return held.includes(name)
      return addresses.length > 0 && (own.length === 0 || addresses.every(isOwn))
    }),
  )
  return [hostName, ...names.filter((_name, index) => leads[index])]
}

/** Undefined: nobody could say. */
async function addressesOf(name: string, resolver: DnsResolver): Promise<string[] | undefined> {
  try {
    const answers = await Promise.all([resolver.a(name), resolver.aaaa(name)])
    return answers.flatMap(({ records }) => [...records])
  } catch (error) {
    if (error instanceof SkeinError) return error.code === 'no-such-domain' ? [] : undefined
    throw error
  }
}

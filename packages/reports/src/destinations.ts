// Where reports about a domain go: what its records ask for (RFC 9990 §3.5, §4; RFC 8460 §3), and whether the receiver agrees.
import { type DnsResolver, isErrorCode } from '@skein/runtime'
import { tagsOf } from './dmarc-report.ts'

export interface Destination {
  kind: 'mailto' | 'https'
  /** An address, or a URL. */
  to: string
  /** Larger reports are not wanted there. */
  bytesMax: number
}

const units: Record<string, number> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 }
const address = /^[^\s@<>(),;:"[\]\\]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i

/** The value of `rua`; what can't be understood is left out. */
export function parseDestinations(rua: string, destinationsMax: number): Destination[] {
  const found: Destination[] = []
  for (const uri of rua.split(',').map((part) => part.trim())) {
    if (found.length >= destinationsMax) break
    const mail = /^mailto:([^!?]+)(?:\?[^!]*)?(?:!(\d{1,12})([kmgt]?))?$/i.exec(uri)
    if (mail) {
      const [, encoded = '', size, unit = ''] = mail
      const to = decoded(encoded)
      const bytesMax = size === undefined ? Infinity : Number(size) * (units[unit.toLowerCase()] as number)
      if (to !== undefined && address.test(to)) found.push({ kind: 'mailto', to, bytesMax })
    } else if (/^https:\/\/[^\s]{1,1000}$/i.test(uri) && URL.canParse(uri)) {
      found.push({ kind: 'https', to: uri, bytesMax: Infinity })
    }
  }
  return found
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/**
 * Of a DMARC record: by mail only, and to other domains only where these say that they take reports about this one
 * (RFC 9990 §4), so that nobody can have them sent to a stranger.
 */
export async function dmarcDestinations(
  domain: string,
  record: string,
  dns: DnsResolver,
  destinationsMax: number,
): Promise<Destination[]> {
  const wanted = parseDestinations(tagsOf(record).get('rua') ?? '', destinationsMax).filter(
    ({ kind }) => kind === 'mailto',
  )
  const agreed = await Promise.all(wanted.map(({ to }) => takesReports(to, domain, dns)))
  return wanted.filter((_, index) => agreed[index])
}

async function takesReports(to: string, domain: string, dns: DnsResolver): Promise<boolean> {
  const host = to.slice(to.lastIndexOf('@') + 1).toLowerCase()
  if (host === domain || host.endsWith(`.${domain}`) || domain.endsWith(`.${host}`)) return true
  const { records } = await textsOf(`${domain}._report._dmarc.${host}`, dns)
  return records.some((text) => tagsOf(text).get('v') === 'DMARC1')
}

/** RFC 8460 §3: the domain's own record says it; with several or none there is nothing to send. */
export async function tlsDestinations(
  domain: string,
  dns: DnsResolver,
  destinationsMax: number,
): Promise<Destination[]> {
  const { records } = await textsOf(`_smtp._tls.${domain}`, dns)
  const policies = records.filter((text) => /^v=TLSRPTv1\s*(?:;|$)/.test(text))
  const [only] = policies
  if (only === undefined || policies.length > 1) return []
  return parseDestinations(tagsOf(only).get('rua') ?? '', destinationsMax)
}

/** @throws SkeinError `dns-failed`, `dns-bogus` (temporary) */
async function textsOf(name: string, dns: DnsResolver): Promise<{ records: readonly string[] }> {
  try {
    return await dns.txt(name)
  } catch (error) {
    if (isErrorCode(error, 'no-such-domain')) return { records: [] }
    throw error
  }
}

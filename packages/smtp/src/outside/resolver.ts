// Where mail for a domain goes, asked of the DNS. Answers are kept for a while, questions asked at once are asked once.
import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { type Clock, SkeinError } from '@skein/runtime'
import { type OutsideLimits, outsideLimits } from '../limits.ts'

export interface MxRecord {
  exchange: string
  preference: number
}

export interface MailResolver {
  /**
   * Empty where the domain exists and has no MX.
   * @throws SkeinError `no-such-domain` (permanent), `dns-failed` (temporary)
   */
  mx(domain: string): Promise<readonly MxRecord[]>
  /** IPv4 first, then IPv6; empty where the host has none. @throws SkeinError `dns-failed` (temporary) */
  addresses(host: string): Promise<readonly string[]>
}

interface Kept<Value> {
  value: Promise<Value>
  untilMs: number
}

/** @param dns default: the system's name servers. */
export function createDnsResolver(
  { clock }: { clock: Clock },
  settings: Partial<OutsideLimits> & { servers?: readonly string[] } = {},
): MailResolver {
  const limits = { ...outsideLimits, ...settings }
  const dns = new Resolver({ timeout: limits.dnsTimeoutMs, tries: 2 })
  if (settings.servers) dns.setServers(settings.servers)
  const kept = new Map<string, Kept<unknown>>()

  function remember<Value>(key: string, ask: () => Promise<Value>): Promise<Value> {
    const before = kept.get(key) as Kept<Value> | undefined
    if (before && before.untilMs > clock.nowMs()) return before.value
    const entry: Kept<Value> = { value: ask(), untilMs: clock.nowMs() + limits.dnsKeepMs }
    kept.delete(key)
    kept.set(key, entry)
    entry.value.catch(() => {
      entry.untilMs = clock.nowMs() + limits.dnsKeepFailureMs
    })
    if (kept.size > limits.dnsKeptMax) {
      const oldest = kept.keys().next()
      if (!oldest.done) kept.delete(oldest.value)
    }
    return entry.value
  }

  async function askMx(domain: string): Promise<readonly MxRecord[]> {
    try {
      const records = await dns.resolveMx(domain)
      return records.map(({ exchange, priority }) => ({ exchange, preference: priority }))
    } catch (error) {
      const code = codeOf(error)
      if (code === 'ENODATA') return []
      if (code === 'ENOTFOUND') {
        throw new SkeinError('no-such-domain', 'permanent', `the domain ${domain} does not exist`, error)
      }
      throw new SkeinError('dns-failed', 'temporary', `the MX records of ${domain} could not be looked up`, error)
    }
  }

  async function askAddresses(host: string): Promise<readonly string[]> {
    const answers = await Promise.allSettled([dns.resolve4(host), dns.resolve6(host)])
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    if (addresses.length > 0) return addresses
    for (const answer of answers) {
      if (answer.status === 'fulfilled') continue
      const code = codeOf(answer.reason)
      if (code === 'ENODATA' || code === 'ENOTFOUND') continue
      throw new SkeinError('dns-failed', 'temporary', `the addresses of ${host} could not be looked up`, answer.reason)
    }
    return []
  }

  return {
    mx: (domain) => remember(`mx ${domain}`, () => askMx(domain)),
    async addresses(host) {
      if (isIP(host) !== 0) return [host]
      if (host === 'localhost') return ['127.0.0.1']
      return remember(`a ${host}`, () => askAddresses(host))
    },
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

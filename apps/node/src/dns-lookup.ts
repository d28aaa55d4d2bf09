// What the DNS says now, asked through Node's resolver; and of a zone, whether it is signed.
import { Resolver, getServers } from 'node:dns/promises'
import type { DnsLookup, DnsType } from '@skein/admin'
import { createZoneQuestions, parseServer } from '@skein/dns'
import { SkeinError, systemClock as clock, systemRandom as random } from '@skein/runtime'

const timeoutMs = 3_000

/** @param servers empty: the system's */
export function createDnsLookup(servers: readonly string[]): DnsLookup {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 2 })
  if (servers.length > 0) resolver.setServers(servers)
  const ask: Record<DnsType, (name: string) => Promise<string[]>> = {
    A: (name) => resolver.resolve4(name),
    AAAA: (name) => resolver.resolve6(name),
    CNAME: (name) => resolver.resolveCname(name),
    MX: async (name) => (await resolver.resolveMx(name)).map(({ priority, exchange }) => `${priority} ${exchange}`),
    SRV: async (name) =>
      (await resolver.resolveSrv(name)).map(
        (record) => `${record.priority} ${record.weight} ${record.port} ${record.name === '' ? '.' : record.name}`,
      ),
    TXT: async (name) => (await resolver.resolveTxt(name)).map((pieces) => pieces.join('')),
    TLSA: async (name) =>
      (await resolver.resolveTlsa(name)).map(
        (record) =>
          `${record.certUsage} ${record.selector} ${record.match} ${Buffer.from(record.data).toString('hex')}`,
      ),
    CAA: async (name) =>
      (await resolver.resolveCaa(name)).flatMap(({ critical, ...properties }) =>
        Object.entries(properties).map(([tag, value]) => `${critical} ${tag} "${String(value)}"`),
      ),
    PTR: (name) => resolver.resolvePtr(name),
  }
  const server = parseServer(servers[0] ?? getServers()[0] ?? '127.0.0.1')
  const zones = createZoneQuestions({ clock, random }, { server, timeoutMs })
  const signings = new Map<string, ReturnType<typeof zones.signing>>()
  return {
    async records(name, type) {
      try {
        return await ask[type](name)
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'ENOTFOUND' || code === 'ENODATA') return []
        throw new SkeinError('dns-failed', 'temporary', `${type} of ${name} could not be looked up (${code})`, error)
      }
    },
    signing(name) {
      const signing = signings.get(name) ?? zones.signing(name)
      signings.set(name, signing)
      return signing
    },
  }
}

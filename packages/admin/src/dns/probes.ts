// Beyond the DNS: does mail's port answer on our own addresses, and does every one of them serve the MTA-STS policy under a
// certificate that others believe.
import { dnsLimits } from '../limits.ts'
import { type DnsFinding, type DnsLookup, canonical } from './finding.ts'
import type { DnsZone } from './zone.ts'

export interface DnsProbes {
  /** The body that this address serves for `https://<host>/.well-known/mta-sts.txt`. @throws Error why not, in words */
  policy(host: string, address: string, timeoutMs: number): Promise<string>
  /** The first line that a mail server says there. @throws Error why not, in words */
  greeting(address: string, timeoutMs: number): Promise<string>
}

/** Only addresses of this mesh are spoken to. */
export async function probeServices(
  zones: readonly DnsZone[],
  mesh: readonly DnsZone[],
  lookup: DnsLookup,
  probes: DnsProbes,
): Promise<DnsFinding[]> {
  const all = mesh.flatMap(({ records }) => records)
  const own = new Set(all.filter(({ type }) => type === 'A' || type === 'AAAA').map(({ value }) => canonical(value)))
  const policies = zones.filter(({ mtaSts }) => mtaSts !== undefined && mtaSts.mode !== 'none')
  const hosts = new Set(
    zones.flatMap(({ records }) => records).flatMap(({ type, value }) => (type === 'MX' ? value.split(' ')[1] : [])),
  )
  const addresses = all.filter(({ name, type }) => hosts.has(name) && (type === 'A' || type === 'AAAA'))
  const found = await Promise.all([
    ...policies.map((zone) => probePolicy(zone, own, lookup, probes)),
    ...addresses.map(({ name, value }) => probeMail(name, value, probes)),
  ])
  return found.flat()
}

async function probePolicy(
  { name, mtaSts }: DnsZone,
  own: ReadonlySet<string>,
  lookup: DnsLookup,
  probes: DnsProbes,
): Promise<DnsFinding[]> {
  const host = `mta-sts.${name}`
  const answers = await Promise.all([lookup.records(host, 'A'), lookup.records(host, 'AAAA')]).catch(() => [])
  const addresses = answers.flat().filter((address) => own.has(canonical(address)))
  return Promise.all(
    addresses.map(async (address): Promise<DnsFinding> => {
      const common = { name: host, type: 'HTTPS' as const, wanted: [mtaSts?.text ?? ''], found: [] as string[] }
      try {
        const text = await probes.policy(host, address, dnsLimits.probeTimeoutMs)
        if (text === mtaSts?.text)
          return { ...common, found: [text], state: 'right', text: `${address} serves the policy` }
        const said = `${address} serves another policy: that node has not caught up, or another web server answers there`
        return { ...common, found: [text], state: 'wrong', text: said, fix: `lead ${host} to the nodes' own HTTPS` }
      } catch (error) {
        const said = `${address} does not serve the policy: ${(error as Error).message}`
        const fix = `let port 443 lead to the node, with a certificate for ${host} (docs/operating/tls.md)`
        return { ...common, state: mtaSts?.mode === 'enforce' ? 'wrong' : 'advice', text: said, fix }
      }
    }),
  )
}

/** From inside, a router may not lead back to its own outer address: no answer is no proof. */
async function probeMail(host: string, address: string, probes: DnsProbes): Promise<DnsFinding> {
  const common = { name: host, type: 'SMTP' as const, wanted: ['220'], found: [] as string[] }
  try {
    const line = await probes.greeting(address, dnsLimits.probeTimeoutMs)
    if (/^220[ -]/.test(line)) return { ...common, found: [line], state: 'right', text: `${address} port 25 greets` }
    const text = `${address} port 25 says "${line}"`
    return { ...common, found: [line], state: 'advice', text, fix: 'let port 25 lead to the node itself' }
  } catch (error) {
    const text = `${address} port 25 does not answer from here: ${(error as Error).message}`
    return { ...common, state: 'advice', text, fix: 'try it from outside; open port 25 where it is shut' }
  }
}

// A DNS of a test's own, behind the DnsResolver port: a few lines of text instead of servers.
import { type DnsRecords, type DnsResolver, SkeinError } from '@skein/runtime'

/**
 * `'<type> <name>'` to values: `'MX there.example': ['10 mx.there.example']`, `'TLSA _25._tcp.mx': ['3 1 1 <hex>']`,
 * `'PTR 192.0.2.1': ['mx.there.example']`, `'CNAME alias': ['name']`. An Error is thrown.
 */
export type MemoryZone = Record<string, readonly string[] | Error>

export interface MemoryDns extends DnsResolver {
  /** May be changed between questions. */
  zone: MemoryZone
  /** Names, or ends of names after a dot, for whose answers DNSSEC vouches. */
  authenticNames: string[]
  /** Each question as `'<type> <name>'`. */
  questions: string[]
}

/** Names that the zone does not know at all do not exist. */
export function createMemoryDns(zone: MemoryZone = {}, authenticNames: string[] = []): MemoryDns {
  const isAuthentic = (name: string) => dns.authenticNames.some((known) => name === known || name.endsWith(`.${known}`))

  async function ask<Value>(type: string, given: string, read: (text: string) => Value): Promise<DnsRecords<Value>> {
    let name = given.toLowerCase().replace(/\.$/, '')
    dns.questions.push(`${type} ${name}`)
    let authentic = isAuthentic(name)
    const first = name
    for (let hops = 0; hops < 10; hops++) {
      const found = dns.zone[`${type} ${name}`]
      if (found instanceof Error) throw found
      const alias = type === 'CNAME' ? undefined : dns.zone[`CNAME ${name}`]
      if (alias instanceof Error) throw alias
      if (!found && alias) {
        name = alias[0] ?? ''
        authentic &&= isAuthentic(name)
        continue
      }
      const exists = Object.keys(dns.zone).some((key) => key.endsWith(` ${name}`) || key.endsWith(`.${name}`))
      if (!found && !exists) throw new SkeinError('no-such-domain', 'permanent', `${name} does not exist in the DNS`)
      return { records: (found ?? []).map(read), authentic, ...(name === first ? {} : { canonicalName: name }) }
    }
    throw new SkeinError('dns-bogus', 'temporary', `the CNAMEs of ${first} lead nowhere`)
  }

  const dns: MemoryDns = {
    zone,
    authenticNames,
    questions: [],
    mx: (domain) =>
      ask('MX', domain, (text) => {
        const [preference = '0', exchange = ''] = text.split(' ')
        return { preference: Number(preference), exchange: exchange.toLowerCase().replace(/\.$/, '') }
      }),
    a: (host) => ask('A', host, String),
    aaaa: (host) => ask('AAAA', host, String),
    txt: (name) => ask('TXT', name, String),
    ptr: (address) => ask('PTR', address, String),
    cname: (name) => ask('CNAME', name, String),
    tlsa: (name) =>
      ask('TLSA', name, (text) => {
        const [usage = '', selector = '', matchingType = '', data = ''] = text.split(' ')
        return {
          usage: Number(usage),
          selector: Number(selector),
          matchingType: Number(matchingType),
          data: new Uint8Array(Buffer.from(data, 'hex')),
        }
      }),
  }
  return dns
}

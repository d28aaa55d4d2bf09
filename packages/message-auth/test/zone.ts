// A DNS for tests: a table of records behind the house's resolver port, with names that fail on purpose.
import { SkeinError, type DnsRecords, type DnsResolver } from '@skein/runtime'

/** `'<type> <name>'` to values: MX as `10 mx.example`, others as text. `'SERVFAIL <name>'` fails for every type. */
export type Zone = Readonly<Record<string, string | readonly string[]>>

export class ZoneResolver implements DnsResolver {
  readonly #zone = new Map<string, readonly string[]>()
  readonly asked: string[] = []

  constructor(...zones: readonly Zone[]) {
    for (const zone of zones) this.add(zone)
  }

  add(zone: Zone): void {
    for (const [key, value] of Object.entries(zone)) {
      this.#zone.set(key.toLowerCase(), typeof value === 'string' ? [value] : value)
    }
  }

  async #find(type: string, name: string): Promise<DnsRecords<string>> {
    const host = name.toLowerCase().replace(/\.$/, '')
    this.asked.push(`${type} ${host}`)
    if (this.#zone.has(`servfail ${host}`)) throw new SkeinError('dns-failed', 'temporary', `no answer for ${host}`)
    const records = this.#zone.get(`${type.toLowerCase()} ${host}`)
    if (records) return { records, authentic: false }
    // A name exists where it, or one under it, has a record.
    const exists = [...this.#zone.keys()].some((key) => {
      const known = key.slice(key.indexOf(' ') + 1)
      return known === host || known.endsWith(`.${host}`)
    })
    if (exists) return { records: [], authentic: false }
    throw new SkeinError('no-such-domain', 'permanent', `${host} does not exist`)
  }

  a = (host: string) => this.#find('A', host)
  aaaa = (host: string) => this.#find('AAAA', host)
  txt = (name: string) => this.#find('TXT', name)
  cname = (name: string) => this.#find('CNAME', name)
  ptr = (address: string) => this.#find('PTR', address)

  mx = async (domain: string) => {
    const { records, authentic } = await this.#find('MX', domain)
    const parsed = records.map((record) => {
      const [preference = '0', exchange = ''] = record.split(' ')
      return { preference: Number(preference), exchange }
    })
    return { records: parsed, authentic }
  }

  async tlsa() {
    return { records: [], authentic: false }
  }
}

// The DNS tree walk of DMARC (RFC 9989 §4.10): which records stand above a domain, whose policy counts, and where its
// organisation ends. Asks each name once for a letter.
import { isErrorCode, type DnsResolver } from '@skein/runtime'
import { dmarcRecordAmong, type DmarcRecord } from './dmarc-record.ts'

export interface FoundRecord {
  domain: string
  record: DmarcRecord
}

export interface Policy {
  /** Where the record stands; undefined: no policy applies. */
  found: FoundRecord | undefined
  /** Undefined where the DNS failed further up, after the domain's own record was found. */
  organisation: string | undefined
}

/** A domain of so many labels or more is cut to the last seven at once, so that no walk asks more than eight times. */
const labelsWalkedMax = 7
const nameBytesMax = 253

/** The walks of one letter. @throws SkeinError `dns-failed`, `dns-bogus` from its methods */
export class TreeWalks {
  readonly #dns: Pick<DnsResolver, 'txt' | 'a'>
  readonly #records = new Map<string, Promise<DmarcRecord | undefined>>()

  constructor(dns: Pick<DnsResolver, 'txt' | 'a'>) {
    this.#dns = dns
  }

  /** RFC 9989 §4.10.1. */
  async policy(domain: string): Promise<Policy> {
    const { found, failure } = await this.#walk(domain)
    const own = found[0]
    if (own?.domain === domain) {
      return { found: own, organisation: failure === undefined ? organisationOf(domain, found) : undefined }
    }
    if (failure !== undefined) throw failure
    const organisation = organisationOf(domain, found)
    const last = found.at(-1)
    const inherited = found.find((it) => it.domain === organisation) ?? (last?.record.psd === 'y' ? last : undefined)
    return { found: inherited, organisation }
  }

  /** RFC 9989 §4.10.2. */
  async organisation(domain: string): Promise<string> {
    const { found, failure } = await this.#walk(domain)
    if (failure !== undefined) throw failure
    return organisationOf(domain, found)
  }

  /** RFC 9989 §3.2.11: only a name that the DNS denies does not exist. */
  async exists(domain: string): Promise<boolean> {
    try {
      await this.#dns.a(domain)
      return true
    } catch (error) {
      if (isErrorCode(error, 'no-such-domain')) return false
      throw error
    }
  }

  async #walk(domain: string): Promise<{ found: FoundRecord[]; failure?: unknown }> {
    const found: FoundRecord[] = []
    let labels = domain.split('.')
    while (labels.length > 0) {
      const name = labels.join('.')
      try {
        const record = await this.#record(name)
        if (record) {
          found.push({ domain: name, record })
          // At the start itself psd=y does not end the walk's meaning, but nothing above could count either.
          if (record.psd !== 'u') return { found }
        }
      } catch (failure) {
        return { found, failure }
      }
      labels = labels.length > labelsWalkedMax ? labels.slice(-labelsWalkedMax) : labels.slice(1)
    }
    return { found }
  }

  #record(name: string): Promise<DmarcRecord | undefined> {
    let record = this.#records.get(name)
    if (!record) {
      record = this.#ask(`_dmarc.${name}`)
      this.#records.set(name, record)
    }
    return record
  }

  async #ask(name: string): Promise<DmarcRecord | undefined> {
    // A name that cannot be in the DNS is not asked for.
    if (name.length > nameBytesMax) return undefined
    try {
      return dmarcRecordAmong((await this.#dns.txt(name)).records)
    } catch (error) {
      if (isErrorCode(error, 'no-such-domain')) return undefined
      throw error
    }
  }
}

/** @param found by a walk from `domain`, longest name first */
function organisationOf(domain: string, found: readonly FoundRecord[]): string {
  for (const { domain: at, record } of found) {
    if (record.psd === 'n') return at
    if (record.psd === 'y' && at !== domain)
      return domain
        .split('.')
        .slice(-(at.split('.').length + 1))
        .join('.')
  }
  return found.at(-1)?.domain ?? domain
}

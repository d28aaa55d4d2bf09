// What the house asks of the DNS: the port that packages/dns fills. Answers are kept there; whoever asks need not.

/** Records of one name and type. */
export interface DnsRecords<Value> {
  /** Empty: the name exists and has none of this type. */
  records: readonly Value[]
  /**
   * DNSSEC vouches for the answer, the empty one and each CNAME on the way too: a validating resolver said so, over a way that
   * this node trusts.
   */
  authentic: boolean
  /** The name at the end of the CNAMEs, in lower case without a final dot; left out where the name has no CNAME. */
  canonicalName?: string
}

export interface MxRecord {
  /** A host name in lower case without a final dot; '' for the null MX (RFC 7505). */
  exchange: string
  preference: number
}

/** RFC 6698 §2.1. */
export interface TlsaRecord {
  usage: number
  selector: number
  matchingType: number
  data: Uint8Array
}

/**
 * Names are A-labels, with or without a final dot. CNAMEs are followed, but for the question for them.
 * @throws SkeinError from each method: `no-such-domain` (permanent: the name does not exist, or can't), `dns-bogus` (temporary:
 *   its signatures are wrong, or the zone's servers fail), `dns-failed` (temporary: no answer)
 */
export interface DnsResolver {
  mx(domain: string): Promise<DnsRecords<MxRecord>>
  /** IPv4 addresses as text. */
  a(host: string): Promise<DnsRecords<string>>
  aaaa(host: string): Promise<DnsRecords<string>>
  /** The character strings of one record are joined to one text. */
  txt(name: string): Promise<DnsRecords<string>>
  /** Names of an IP address, given as text. */
  ptr(address: string): Promise<DnsRecords<string>>
  /** `name` whole: `_25._tcp.mx.example.org`. */
  tlsa(name: string): Promise<DnsRecords<TlsaRecord>>
  /** The target of a CNAME at this very name. */
  cname(name: string): Promise<DnsRecords<string>>
}

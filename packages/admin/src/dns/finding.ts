// What the check says of one name: how it stands, and what to do about it.
import type { DnsRecord, DnsType } from './zone.ts'

export interface DnsLookup {
  /** Values as in DnsRecord; empty where there are none. @throws SkeinError `dns-failed` (temporary) */
  records(name: string, type: DnsType): Promise<string[]>
  /** Whether the zone that holds this name has keys (RFC 4034 §2) and its parent vouches for them. Absent: not found out. */
  signing?(name: string): Promise<DnsSigning>
}

/** `island`: there are keys, but the parent has no DS record for them, so that nobody believes them. */
export type DnsSigning = 'signed' | 'island' | 'unsigned' | 'unknown'

/** advice: nothing is broken, but it could be better. */
export type DnsState = 'right' | 'advice' | 'missing' | 'wrong' | 'extra' | 'unknown'

export const isFault = (state: DnsState): boolean => state !== 'right' && state !== 'advice'

export interface DnsFinding {
  name: string
  /** Beside records: DNSSEC of a zone, the policy over HTTPS, mail's port. */
  type: DnsType | 'DNSSEC' | 'HTTPS' | 'SMTP'
  state: DnsState
  wanted: string[]
  found: string[]
  /** One sentence. */
  text: string
  /** One sentence; absent where nothing is to be done. */
  fix?: string
  /** To be published, in place of what is there under these names and types where `state` is `wrong`. */
  publish?: DnsRecord[]
}

export type Judgement = Pick<DnsFinding, 'state' | 'text' | 'fix' | 'publish'>

export interface Question {
  name: string
  type: DnsType
  wanted: string[]
}

export const recordsOf = ({ name, type }: Pick<Question, 'name' | 'type'>, values: readonly string[]): DnsRecord[] =>
  values.map((value) => ({ name, type, value }))

/** Host names and addresses are compared without regard to case and to a last dot; IPv6 by its one short form. */
export function canonical(value: string): string {
  if (value === '0 0 0 .') return value
  const plain = value.toLowerCase().replace(/\.$/, '')
  if (!/^[\da-f:.]+$/.test(plain) || !plain.includes(':')) return plain
  try {
    return new URL(`http://[${plain}]`).hostname.slice(1, -1)
  } catch {
    return plain
  }
}

/** `tag=value` pairs of DKIM, DMARC, MTA-STS and TLS-RPT records; undefined where the text is none. */
export function tagsOf(text: string): Map<string, string> | undefined {
  const tags = new Map<string, string>()
  for (const part of text.split(';')) {
    const [, tag, value] = /^\s*([a-z0-9_-]+)\s*=\s*(.*?)\s*$/is.exec(part) ?? []
    const name = tag?.toLowerCase()
    // RFC 6376 §3.2: a tag that stands twice makes the whole unreadable.
    if (name !== undefined && !tags.has(name)) tags.set(name, value ?? '')
    else if (part.trim() !== '') return undefined
  }
  return tags
}

/** The whole set is to be there and nothing else. */
export function judgeSet(question: Question, said: readonly string[]): Judgement {
  const { name, type, wanted } = question
  const missing = wanted.filter((value) => !said.includes(value))
  const extra = said.filter((value) => !wanted.includes(value))
  const publish = recordsOf(question, missing)
  if (said.length === 0) {
    return { state: 'missing', text: `not published; should be ${wanted.join(', ')}`, fix: 'publish this', publish }
  }
  if (missing.length > 0 && extra.length > 0) {
    return {
      state: 'wrong',
      text: `says ${extra.join(', ')}; should say ${missing.join(', ')}`,
      fix: `take out ${extra.join(', ')} and publish this`,
      publish,
    }
  }
  if (missing.length > 0) {
    return { state: 'missing', text: `lacks ${missing.join(', ')}`, fix: 'publish this too', publish }
  }
  if (extra.length > 0) {
    return {
      state: 'extra',
      text: `also says ${extra.join(', ')}, which is not of this mesh`,
      fix: `take ${extra.join(', ')} out of ${type} of ${name}`,
    }
  }
  return { state: 'right', text: said.join(', ') }
}

// Answers the DNS questions of verifying threads from the node's one resolver, in the words of node:dns that mailauth reads.
import { SkeinError, type DnsRecords, type DnsResolver } from '@skein/runtime'
import type { DnsAnswer, QuestionType } from './requests.ts'

/** Never throws. */
export async function answerQuestion(dns: DnsResolver, type: QuestionType, name: string): Promise<DnsAnswer> {
  try {
    const records = await recordsOf(dns, type, name)
    return records.length > 0 ? { records } : { code: 'ENODATA' }
  } catch (error) {
    const code = error instanceof SkeinError ? error.code : ''
    return { code: code === 'no-such-domain' ? 'ENOTFOUND' : code === 'dns-bogus' ? 'ESERVFAIL' : 'ETIMEOUT' }
  }
}

async function recordsOf(dns: DnsResolver, type: QuestionType, name: string): Promise<unknown[]> {
  const all = <Value>({ records }: DnsRecords<Value>) => [...records]
  switch (type) {
    case 'A':
      return all(await dns.a(name))
    case 'AAAA':
      return all(await dns.aaaa(name))
    case 'MX':
      return all(await dns.mx(name)).map(({ exchange, preference }) => ({ exchange, priority: preference }))
    case 'PTR':
      return all(await dns.ptr(addressOf(name)))
    default:
      return all(await dns.txt(name)).map((text) => [text])
  }
}

/** The port takes addresses; SPF asks for their names under in-addr.arpa and ip6.arpa (RFC 7208 §5.5). */
export function addressOf(name: string): string {
  const labels = name.toLowerCase().replace(/\.$/, '').split('.')
  if (labels.at(-2) === 'in-addr') return labels.slice(0, 4).toReversed().join('.')
  const digits = labels.slice(0, 32).toReversed().join('')
  return digits.match(/.{4}/g)?.join(':') ?? name
}

// Names that lead to addresses and addresses that lead back to names.
import type { DnsLookup, Judgement, Question } from './finding.ts'
import { canonical, judgeSet, recordsOf } from './finding.ts'
import type { DnsRecord } from './zone.ts'

/** Shared names may lead to any of the nodes, by an alias or by addresses. */
export const isSharedName = (name: string): boolean => /^(?:mail|autoconfig|autodiscover|mta-sts)\./.test(name)

/** RFC 5321 §5.1 and RFC 2181 §10.3: an exchanger's name is no alias. */
export async function judgeHost(question: Question, said: readonly string[], lookup: DnsLookup): Promise<Judgement> {
  const judged = judgeSet(question, said)
  if (judged.state !== 'right') return judged
  const [alias] = await lookup.records(question.name, 'CNAME')
  if (alias === undefined) return judged
  return {
    state: 'wrong',
    text: `is an alias of ${alias}, which an exchanger must not be`,
    fix: 'take out the CNAME and publish this',
    publish: recordsOf(question, question.wanted),
  }
}

export function judgeSharedName(
  name: string,
  said: readonly string[],
  wanted: readonly string[],
  own: readonly DnsRecord[],
): Judgement {
  const stray = said.filter((address) => !wanted.includes(address))
  if (said.length === 0) {
    const target = own.map(({ value }) => value).join(', ')
    return { state: 'missing', text: `leads nowhere; should lead to ${target}`, fix: 'publish this', publish: [...own] }
  }
  if (stray.length > 0) {
    const text = `leads to ${stray.join(', ')}, which is no node of this mesh`
    return { state: 'wrong', text, fix: `take ${stray.join(', ')} out of ${name}; this is enough`, publish: [...own] }
  }
  return { state: 'right', text: `leads to ${said.join(', ')}` }
}

/** Any name will do that leads back to the address; the one that the node greets with is best. */
export async function judgeReverse(question: Question, said: readonly string[], lookup: DnsLookup): Promise<Judgement> {
  const publish = recordsOf(question, question.wanted)
  const fix = 'ask whoever gives out the address to set this'
  const address = addressOf(question.name)
  if (said.length === 0) {
    const text = `${address} has no name, which many mail systems refuse to take mail from`
    return { state: 'missing', text, fix, publish }
  }
  const host = said.find((name) => question.wanted.includes(name))
  const names = host === undefined ? said : [host]
  for (const name of names) {
    const type = address.includes(':') ? 'AAAA' : 'A'
    const back = (await lookup.records(name, type)).map(canonical)
    if (!back.includes(canonical(address))) continue
    if (host !== undefined) return { state: 'right', text: `${address} is ${host}, and back` }
    return { state: 'advice', text: `${address} is called ${name}, not as the node greets`, fix, publish }
  }
  const text = `${address} is called ${names.join(', ')}, which does not lead back to it`
  return host === undefined
    ? { state: 'wrong', text, fix, publish }
    : {
        state: 'wrong',
        text,
        fix: `publish the address of ${host}`,
        publish: [{ name: host, type: address.includes(':') ? 'AAAA' : 'A', value: address }],
      }
}

/** Back from the name that `reverseName` made. */
function addressOf(name: string): string {
  const labels = name.split('.')
  if (name.endsWith('.in-addr.arpa')) return labels.slice(0, 4).reverse().join('.')
  const digits = labels.slice(0, 32).reverse().join('')
  return canonical((digits.match(/.{4}/g) ?? []).join(':'))
}

// What is published now beside what should be: each name and type told as right, missing, wrong or more than there should be, with
// what to do about it.
import { SkeinError } from '@skein/runtime'
import { dnsLimits } from '../limits.ts'
import { isSharedName, judgeHost, judgeReverse, judgeSharedName } from './address-checks.ts'
import { judgeAuthorities, judgeKeys } from './certificate-checks.ts'
import { type DnsFinding, type DnsLookup, type Judgement, type Question, canonical, judgeSet } from './finding.ts'
import { judgeSenderPolicy } from './sender-policy-check.ts'
import { textCheckFor } from './text-checks.ts'
import type { DnsRecord, DnsType, DnsZone } from './zone.ts'

/**
 * @param zones what is compared
 * @param mesh all zones: an alias in one may lead to a host in another
 */
export async function compareDns(
  zones: readonly DnsZone[],
  lookup: DnsLookup,
  mesh: readonly DnsZone[] = zones,
): Promise<DnsFinding[]> {
  const all = mesh.flatMap(({ records }) => records)
  const hosts = new Set(all.filter(({ type }) => type === 'MX').map(({ value }) => value.split(' ')[1]))
  const questions = new Map<string, Question>()
  // Parts of a divided SPF record are weighed with the whole.
  const asked = zones.flatMap(({ records }) => records).filter(({ name }) => !/^_spf\d+\./.test(name))
  for (const { name, type, value } of asked) {
    const key = `${name} ${type}`
    const question = questions.get(key) ?? { name, type, wanted: [] }
    question.wanted.push(value)
    questions.set(key, question)
  }
  const names = new Set<string>()
  const tasks: (() => Promise<DnsFinding>)[] = []
  for (const question of questions.values()) {
    const { name, type } = question
    const isAddress = type === 'A' || type === 'AAAA' || type === 'CNAME'
    if (!isAddress || !isSharedName(name) || hosts.has(name)) tasks.push(() => compareOne(question, lookup))
    else if (!names.has(name)) {
      names.add(name)
      tasks.push(() => compareSharedName(name, lookup, all))
    }
  }
  for (const { name } of zones) if (name !== '' && lookup.signing) tasks.push(() => zoneSigning(name, lookup))
  const findings: DnsFinding[] = []
  // A server that says nothing costs its time-out once for each of these, not for each name.
  for (let at = 0; at < tasks.length; at += dnsLimits.questionsAtOnce) {
    findings.push(...(await Promise.all(tasks.slice(at, at + dnsLimits.questionsAtOnce).map((task) => task()))))
  }
  return findings
}

async function compareOne({ name, type, wanted: asWritten }: Question, lookup: DnsLookup): Promise<DnsFinding> {
  const wanted = type === 'TXT' ? [...asWritten] : asWritten.map(canonical)
  // Of TLSA the first is the key in use, of SPF the whole.
  if (type !== 'TLSA' && type !== 'TXT') wanted.sort()
  const question = { name, type, wanted }
  try {
    const said = await published(lookup, name, type)
    return { name, type, wanted, found: said, ...(await judge(question, said, lookup)) }
  } catch (error) {
    return { name, type, wanted, found: [], ...notAnswered(error) }
  }
}

async function judge(question: Question, said: readonly string[], lookup: DnsLookup): Promise<Judgement> {
  switch (question.type) {
    case 'TXT': {
      const check = textCheckFor(question.name)
      return check ? check(question, said, lookup) : judgeSenderPolicy(question, said, lookup)
    }
    case 'TLSA':
      return judgeKeys(question, said, lookup)
    case 'CAA':
      return judgeAuthorities(question, said, lookup)
    case 'PTR':
      return judgeReverse(question, said, lookup)
    case 'A':
    case 'AAAA':
      return judgeHost(question, said, lookup)
    default:
      return judgeSet(question, said)
  }
}

async function compareSharedName(name: string, lookup: DnsLookup, all: readonly DnsRecord[]): Promise<DnsFinding> {
  const own = all.filter((record) => record.name === name)
  const alias = own.find(({ type }) => type === 'CNAME')?.value
  const target = alias === undefined ? own : all.filter((record) => record.name === alias)
  const wanted = target.filter(({ type }) => type === 'A' || type === 'AAAA').map(({ value }) => canonical(value))
  const common = { name, type: alias === undefined ? ('A' as const) : ('CNAME' as const), wanted }
  try {
    const said = (await Promise.all([published(lookup, name, 'A'), published(lookup, name, 'AAAA')])).flat()
    return { ...common, found: said, ...judgeSharedName(name, said, wanted, own) }
  } catch (error) {
    return { ...common, found: [], ...notAnswered(error) }
  }
}

async function zoneSigning(name: string, lookup: DnsLookup): Promise<DnsFinding> {
  const common = { name, type: 'DNSSEC' as const, wanted: [], found: [] }
  try {
    const signing = (await lookup.signing?.(name)) ?? 'unknown'
    if (signing === 'signed') return { ...common, state: 'right', text: 'signed' }
    if (signing === 'island') {
      const text = 'signed, but the zone above has no DS record for it: nobody believes the signatures'
      return { ...common, state: 'advice', text, fix: 'give the DS record to the registrar of the domain' }
    }
    const text =
      signing === 'unsigned' ? 'not signed: TLSA is ignored, and answers can be forged' : 'could not be found out'
    return { ...common, state: 'advice', text, fix: 'sign the zone where it is kept' }
  } catch (error) {
    return { ...common, ...notAnswered(error) }
  }
}

async function published(lookup: DnsLookup, name: string, type: DnsType): Promise<string[]> {
  const said = await lookup.records(name, type)
  return (type === 'TXT' ? said : said.map(canonical)).sort()
}

/** A question that could not be asked says nothing of what is published. */
function notAnswered(error: unknown): Judgement {
  if (!(error instanceof SkeinError)) throw error
  return { state: 'unknown', text: error.message, fix: 'ask again, or name other servers in outside.dns-servers' }
}

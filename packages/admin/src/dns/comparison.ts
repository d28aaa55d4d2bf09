// What is published now beside what should be: each name and type told as right, missing, wrong or more than there should be.
import { SkeinError, createAddressSet } from '@skein/runtime'
import { dnsLimits } from '../limits.ts'
import type { DnsRecord, DnsType, DnsZone } from './records.ts'

export interface DnsLookup {
  /** Values as in DnsRecord; empty where there are none. @throws SkeinError `dns-failed` (temporary) */
  records(name: string, type: DnsType): Promise<string[]>
}

export type DnsState = 'right' | 'missing' | 'wrong' | 'extra' | 'unknown'

export interface DnsFinding {
  name: string
  type: DnsType
  state: DnsState
  wanted: string[]
  found: string[]
  /** One sentence. */
  text: string
}

type Judgement = Pick<DnsFinding, 'state' | 'text'>

interface Question {
  name: string
  type: DnsType
  wanted: string[]
}

/** Names that clients set themselves up by may lead to any of the nodes, by an alias or by addresses. */
const isSetUpName = (name: string) => /^(?:autoconfig|autodiscover)\./.test(name)

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
  const questions = new Map<string, Question>()
  for (const { name, type, value } of zones.flatMap(({ records }) => records)) {
    const key = `${name} ${type}`
    const question = questions.get(key) ?? { name, type, wanted: [] }
    question.wanted.push(value)
    questions.set(key, question)
  }
  const names = new Set<string>()
  const tasks: (() => Promise<DnsFinding>)[] = []
  for (const question of questions.values()) {
    if (!isSetUpName(question.name)) tasks.push(() => compareOne(question, lookup, all))
    else if (!names.has(question.name)) {
      names.add(question.name)
      tasks.push(() => compareSetUpName(question.name, lookup, all))
    }
  }
  const findings: DnsFinding[] = []
  // A server that says nothing costs its time-out once for each of these, not for each name.
  for (let at = 0; at < tasks.length; at += dnsLimits.questionsAtOnce) {
    findings.push(...(await Promise.all(tasks.slice(at, at + dnsLimits.questionsAtOnce).map((task) => task()))))
  }
  return findings
}

async function compareOne(question: Question, lookup: DnsLookup, all: readonly DnsRecord[]): Promise<DnsFinding> {
  const { name, type } = question
  const wanted = question.wanted.map(canonical).sort()
  const said = await found(lookup, name, type)
  if (typeof said === 'string') return { name, type, state: 'unknown', wanted, found: [], text: said }
  const judged = type === 'TXT' ? judgeSenderPolicy(wanted[0] ?? '', said, all) : judgeSet(wanted, said)
  return { name, type, wanted, found: said, ...judged }
}

async function compareSetUpName(name: string, lookup: DnsLookup, all: readonly DnsRecord[]): Promise<DnsFinding> {
  const own = all.filter((record) => record.name === name)
  const alias = own.find(({ type }) => type === 'CNAME')?.value
  const target = alias === undefined ? own : all.filter((record) => record.name === alias)
  const wanted = target.filter(({ type }) => type === 'A' || type === 'AAAA').map(({ value }) => canonical(value))
  const answers = await Promise.all([found(lookup, name, 'A'), found(lookup, name, 'AAAA')])
  const failed = answers.find((answer) => typeof answer === 'string')
  const common = { name, type: alias === undefined ? ('A' as const) : ('CNAME' as const), wanted }
  if (failed !== undefined) return { ...common, state: 'unknown', found: [], text: failed }
  const said = answers.flat()
  const stray = said.filter((address) => !wanted.includes(address))
  const judged: Judgement =
    said.length === 0
      ? { state: 'missing', text: `leads nowhere; should lead to ${alias ?? wanted.join(', ')}` }
      : stray.length > 0
        ? { state: 'wrong', text: `leads to ${stray.join(', ')}, which is no node of this mesh` }
        : { state: 'right', text: `leads to ${said.join(', ')}` }
  return { ...common, found: said, ...judged }
}

/** A sentence instead of values when the question could not be asked. */
async function found(lookup: DnsLookup, name: string, type: DnsType): Promise<string[] | string> {
  try {
    return (await lookup.records(name, type)).map(canonical).sort()
  } catch (error) {
    if (error instanceof SkeinError) return error.message
    throw error
  }
}

/** Host names and addresses are compared without regard to case and to a last dot; IPv6 by its one short form. */
function canonical(value: string): string {
  if (value.startsWith('v=') || value === '0 0 0 .') return value
  const plain = value.toLowerCase().replace(/\.$/, '')
  if (!/^[\da-f:.]+$/.test(plain) || !plain.includes(':')) return plain
  try {
    return new URL(`http://[${plain}]`).hostname.slice(1, -1)
  } catch {
    return plain
  }
}

function judgeSet(wanted: readonly string[], said: readonly string[]): Judgement {
  const missing = wanted.filter((value) => !said.includes(value))
  const extra = said.filter((value) => !wanted.includes(value))
  if (said.length === 0) return { state: 'missing', text: `not published; should be ${wanted.join(', ')}` }
  if (missing.length > 0 && extra.length > 0) {
    return { state: 'wrong', text: `says ${extra.join(', ')}; should say ${missing.join(', ')}` }
  }
  if (missing.length > 0) return { state: 'missing', text: `lacks ${missing.join(', ')}` }
  if (extra.length > 0) return { state: 'extra', text: `also says ${extra.join(', ')}, which is not of this mesh` }
  return { state: 'right', text: said.join(', ') }
}

/** RFC 7208 §4.6.2: `mx` and addresses are weighed here; what others' records say is not. */
function judgeSenderPolicy(wanted: string, texts: readonly string[], all: readonly DnsRecord[]): Judgement {
  const policies = texts.filter((text) => /^v=spf1(?: |$)/i.test(text))
  const [policy, second] = policies
  if (policy === undefined) return { state: 'missing', text: `no SPF record; should be "${wanted}"` }
  if (second !== undefined) {
    return { state: 'wrong', text: `${policies.length} SPF records, which receivers take for none: leave one` }
  }
  const words = policy.toLowerCase().split(/ +/).slice(1)
  const blocks = words.flatMap((word) => /^\+?ip[46]:(.+)$/.exec(word)?.[1] ?? [])
  if (words.some((word) => /^\+?mx$/.test(word))) blocks.push(...exchangerAddresses(all))
  const covers = addressesIn(blocks)
  const needed = [...wanted.matchAll(/ip[46]:(\S+)/g)].map((match) => match[1] as string)
  const lacking = needed.filter((address) => !covers(address))
  if (lacking.length === 0) {
    const open = words.some((word) => /^\+?all$/.test(word))
    return open
      ? { state: 'wrong', text: `"${policy}" lets anybody send as this domain` }
      : { state: 'right', text: policy }
  }
  const others = words.filter((word) => /^[+?~-]?(?:include:|a\b|redirect=|exists:|ptr)/.test(word))
  return others.length > 0
    ? { state: 'right', text: `${policy} (not weighed: whether ${others.join(' ')} allows ${lacking.join(', ')})` }
    : { state: 'wrong', text: `"${policy}" does not allow ${lacking.join(', ')}; should be "${wanted}"` }
}

function exchangerAddresses(all: readonly DnsRecord[]): string[] {
  const hosts = new Set(all.filter(({ type }) => type === 'MX').map(({ value }) => value.split(' ')[1]))
  return all.filter(({ name, type }) => hosts.has(name) && (type === 'A' || type === 'AAAA')).map(({ value }) => value)
}

/** What a stranger wrote as an address block may be none. */
function addressesIn(blocks: readonly string[]): (address: string) => boolean {
  const sets = blocks.flatMap((block) => {
    try {
      return [createAddressSet([block])]
    } catch {
      return []
    }
  })
  return (address) => sets.some((holds) => holds(address))
}

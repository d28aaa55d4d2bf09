// SPF as receivers read it (RFC 7208): followed through include, redirect, a and mx, and weighed rather than compared.
import { createAddressSet, isAddressOrBlock } from '@skein/runtime'
import { dnsLimits } from '../limits.ts'
import type { DnsLookup, Judgement, Question } from './finding.ts'
import { recordsOf } from './finding.ts'
import { typeOf } from './zone.ts'

interface Reading {
  lookup: DnsLookup
  /** RFC 7208 §4.6.4. */
  lookups: number
  /** Address blocks that may send. */
  blocks: string[]
  /** Mechanisms that depend on the letter, which can't be weighed beforehand. */
  others: string[]
  faults: string[]
  isOpen: boolean
}

const isPolicy = (text: string) => /^v=spf1(?: |$)/i.test(text)

export async function judgeSenderPolicy(
  question: Question,
  texts: readonly string[],
  lookup: DnsLookup,
): Promise<Judgement> {
  const { name, wanted } = question
  const publish = recordsOf(question, wanted)
  const policies = texts.filter(isPolicy)
  const [policy, second] = policies
  if (policy === undefined) {
    return { state: 'missing', text: `no SPF record; should be "${wanted[0]}"`, fix: 'publish this', publish }
  }
  if (second !== undefined) {
    const text = `${policies.length} SPF records, which receivers take for none: leave one`
    return { state: 'wrong', text, fix: 'leave this one alone', publish }
  }
  const reading: Reading = { lookup, lookups: 0, blocks: [], others: [], faults: [], isOpen: false }
  await read(name, policy, reading, 0)
  const needed = await addressesOf(wanted[0] ?? '', name, lookup)
  const covers = addressesIn(reading.blocks)
  const lacking = needed.filter((address) => !covers(address))
  const wrong = (text: string): Judgement => ({ state: 'wrong', text, fix: 'publish this in its place', publish })
  if (reading.isOpen) return wrong(`"${policy}" lets anybody send as this domain`)
  if (reading.lookups > dnsLimits.senderPolicyLookupsMax) {
    return wrong(`"${policy}" makes receivers ask ${reading.lookups} times; after ten they give up (RFC 7208 §4.6.4)`)
  }
  if (reading.faults.length > 0) return wrong(`"${policy}" can't be read to its end: ${reading.faults.join('; ')}`)
  if (lacking.length === 0) return { state: 'right', text: policy }
  return reading.others.length > 0
    ? {
        state: 'advice',
        text: `${policy} (not weighed: whether ${reading.others.join(' ')} allows ${lacking.join(', ')})`,
        fix: 'write the addresses out',
        publish,
      }
    : wrong(`"${policy}" does not allow ${lacking.join(', ')}; should be "${wanted[0]}"`)
}

/** The addresses of the record that we ask for, its parts included. */
async function addressesOf(policy: string, name: string, lookup: DnsLookup): Promise<string[]> {
  const direct = [...policy.matchAll(/ip[46]:(\S+)/g)].map((match) => match[1] as string)
  if (direct.length > 0) return direct
  const parts = [...policy.matchAll(/include:(\S+)/g)].map((match) => match[1] as string)
  const own = parts.filter((part) => part.endsWith(`.${name}`))
  const texts = await Promise.all(own.map((part) => lookup.records(part, 'TXT').catch(() => [])))
  return [
    ...texts
      .flat()
      .join(' ')
      .matchAll(/ip[46]:(\S+)/g),
  ].map((match) => match[1] as string)
}

async function read(domain: string, policy: string, reading: Reading, depth: number): Promise<void> {
  const words = policy.toLowerCase().split(/ +/).slice(1)
  for (const word of words) {
    // A mechanism that refuses comes last in policies that people write; what stands behind it is not weighed.
    if (reading.lookups > dnsLimits.senderPolicyLookupsMax || depth > dnsLimits.senderPolicyLookupsMax) return
    await readWord(domain, word, reading, depth)
  }
}

async function readWord(domain: string, word: string, reading: Reading, depth: number): Promise<void> {
  const [, sign = '+', kind = '', argument = ''] =
    /^([+?~-]?)(ip4|ip6|include|redirect|mx|a|exists|ptr|all)(?::|=|(?=\/)|$)(.*)$/.exec(word) ?? []
  if (kind === '') {
    if (!/^[a-z][a-z0-9._-]*=/.test(word) && word !== '') reading.faults.push(`"${word}" is no mechanism`)
    return
  }
  const passes = sign === '' || sign === '+'
  if (kind === 'all') {
    if (depth === 0 && passes) reading.isOpen = true
    return
  }
  if (kind === 'ip4' || kind === 'ip6') {
    if (!isAddressOrBlock(argument)) reading.faults.push(`"${word}" holds no address`)
    else if (passes) reading.blocks.push(argument)
    return
  }
  reading.lookups += 1
  if (argument.includes('%') || kind === 'exists' || kind === 'ptr') {
    reading.others.push(word)
    return
  }
  const [target = '', ...sizes] = argument.split('/')
  const name = target === '' ? domain : target
  if (kind === 'include' || kind === 'redirect') await follow(name, reading, depth)
  else if (passes) await readHosts(kind === 'mx' ? await exchangersOf(name, reading) : [name], sizes, reading)
}

async function follow(name: string, reading: Reading, depth: number): Promise<void> {
  const texts = (await reading.lookup.records(name, 'TXT')).filter(isPolicy)
  if (texts.length === 1) await read(name, texts[0] as string, reading, depth + 1)
  else reading.faults.push(texts.length === 0 ? `${name} has no SPF record` : `${name} has ${texts.length} SPF records`)
}

async function exchangersOf(name: string, { lookup }: Reading): Promise<string[]> {
  const records = await lookup.records(name, 'MX')
  return records
    .map((value) => (value.split(' ')[1] ?? '').toLowerCase().replace(/\.$/, ''))
    .filter((host) => host !== '')
}

async function readHosts(hosts: readonly string[], sizes: readonly string[], reading: Reading): Promise<void> {
  for (const host of hosts.slice(0, dnsLimits.senderPolicyLookupsMax)) {
    const answers = await Promise.all([reading.lookup.records(host, 'A'), reading.lookup.records(host, 'AAAA')])
    for (const address of answers.flat()) {
      const size = typeOf(address) === 'A' ? sizes[0] : sizes.at(-1)
      reading.blocks.push(size ? `${address}/${size}` : address)
    }
  }
}

/** What a stranger wrote as an address block may be none. */
function addressesIn(blocks: readonly string[]): (address: string) => boolean {
  const holds = createAddressSet(blocks.filter(isAddressOrBlock))
  return (address) => holds(address)
}

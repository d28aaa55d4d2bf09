// The resolver: asks the servers in turn, follows CNAMEs, keeps answers. Promises: `authentic` only where a trusted server
// vouches for every step; a failure is an error, never an empty answer.
import { type Clock, type DnsRecords, type DnsResolver, type Logger, SkeinError, plainAddress } from '@skein/runtime'
import type { Answer, StringAnswer } from 'dns-packet'
import { NoReply, exchange } from './exchange.ts'
import { KeptAnswers } from './kept-answers.ts'
import { type DnsLimits, dnsLimits } from './limits.ts'
import {
  type Question,
  type QuestionType,
  type Reply,
  isAskableName,
  plainName,
  reverseName,
  ttlSeconds,
} from './message.ts'
import { NameServers } from './name-servers.ts'
import { Turns } from './turns.ts'

export interface DnsComponents {
  clock: Clock
  logger: Logger
}

export interface DnsSettings extends Partial<DnsLimits> {
  /** IP addresses with or without a port; empty or left out: the system's. */
  servers?: readonly string[]
  /** Addresses and CIDR blocks of servers whose AD bit is believed. */
  trusted?: readonly string[]
}

/** A validating resolver on this machine. */
export const trustedServersDefault: readonly string[] = ['127.0.0.0/8', '::1']

/** What came of one question: records, or the error for whoever asks. */
interface Found {
  name: string
  answers: readonly Answer[]
  authentic: boolean
  error: SkeinError | null
  keepMs: number
  bytes: number
}

/** @throws RangeError for servers that are no IP addresses. */
export function createDnsResolver({ clock, logger }: DnsComponents, settings: DnsSettings = {}): DnsResolver {
  const limits: DnsLimits = { ...dnsLimits, ...settings }
  const servers = new NameServers(
    clock,
    limits.serverPauseMs,
    settings.servers ?? [],
    settings.trusted ?? trustedServersDefault,
  )
  const kept = new KeptAnswers<Found>(clock, limits)
  const turns = new Turns(limits.questionsAtOnceMax, limits.questionsWaitingMax)

  /** @throws SkeinError `dns-bogus`, `dns-failed` */
  async function askServers(question: Question): Promise<{ reply: Reply; isTrusted: boolean }> {
    const startMs = clock.monotonicMs()
    let failure: Reply | undefined
    let why = 'no name server is known'
    for (const factor of [1, 2]) {
      for (const server of servers.inOrder()) {
        const leftMs = startMs + limits.questionTimeoutMs - clock.monotonicMs()
        if (leftMs <= 0) break
        try {
          const timeoutMs = Math.min(limits.tryTimeoutMs * factor, leftMs)
          const reply = await exchange(server, question, { clock, limits, timeoutMs })
          servers.noteAnswer(server)
          if (reply.code === 'NOERROR' || reply.code === 'NXDOMAIN') return { reply, isTrusted: server.isTrusted }
          if (reply.code === 'SERVFAIL') failure = reply
          why = `the name server ${server.address} says ${reply.code}`
        } catch (error) {
          if (!(error instanceof NoReply)) throw error
          why = `the name server ${server.address}: ${error.message}`
          servers.noteSilent(server)
        }
      }
      // A server that says SERVFAIL has tried for us.
      if (failure) break
    }
    logger.debug({ question, why }, 'a question to the DNS failed')
    const what = `${question.type} of ${question.name}`
    if (failure) throw new SkeinError('dns-bogus', 'temporary', servfailText(what, failure), why)
    throw new SkeinError('dns-failed', 'temporary', `${what} could not be looked up: ${why}`)
  }

  async function findOnce(question: Question): Promise<Found> {
    let { name } = question
    let authentic = true
    let ttl = Infinity
    let bytes = 0
    const seen = new Set<string>()
    const none = (keepMs: number, error: SkeinError | null): Found => {
      return { name, answers: [], authentic, error, keepMs, bytes }
    }
    for (;;) {
      seen.add(name)
      const { reply, isTrusted } = await askServers({ name, type: question.type })
      authentic &&= isTrusted && reply.saysAuthentic
      bytes += reply.bytes
      const step = follow(reply.answers, name, question.type, limits.cnamesMax - seen.size)
      const isCircle = step.passed.some((passed) => seen.has(passed))
      for (const passed of step.passed) seen.add(passed)
      ttl = Math.min(ttl, step.ttl)
      name = step.name
      if (step.answers.length > 0) {
        const keepMs = Math.min(Math.max(ttl * 1000, limits.keepMinMs), limits.keepMaxMs)
        return { name, answers: step.answers.slice(0, limits.recordsMax), authentic, error: null, keepMs, bytes }
      }
      const negativeMs = Math.min(ttl, reply.negativeTtlSeconds ?? 0) * 1000
      const keepMs = Math.min(Math.max(negativeMs, limits.keepMinMs), limits.keepNegativeMaxMs)
      if (reply.code === 'NXDOMAIN') {
        return none(keepMs, new SkeinError('no-such-domain', 'permanent', `${name} does not exist in the DNS`))
      }
      // A server that names the way and not its end leaves the rest of the questions to us.
      const isToBeAskedOn = step.passed.length > 0 && reply.negativeTtlSeconds === null
      if (!isToBeAskedOn) return none(keepMs, null)
      if (step.isLoop || isCircle || seen.size > limits.cnamesMax) {
        const text = `the CNAMEs of ${question.name} lead nowhere`
        return none(limits.keepFailureMs, new SkeinError('dns-bogus', 'temporary', text))
      }
    }
  }

  async function find(question: Question): Promise<Found> {
    try {
      const found = await turns.run(() => findOnce(question))
      if (found) return found
      throw new SkeinError('dns-failed', 'temporary', 'too many questions to the DNS are under way')
    } catch (error) {
      if (!(error instanceof SkeinError)) throw error
      return { name: question.name, answers: [], authentic: false, error, keepMs: limits.keepFailureMs, bytes: 500 }
    }
  }

  async function records<Value>(
    given: string,
    type: QuestionType,
    pick: (answer: Answer) => Value | undefined,
  ): Promise<DnsRecords<Value>> {
    const name = plainName(given)
    if (!isAskableName(name)) {
      throw new SkeinError('no-such-domain', 'permanent', `"${given.slice(0, 300)}" is no name in the DNS`)
    }
    const found = await kept.get(`${type} ${name}`, () => find({ name, type }))
    if (found.error) throw found.error
    return {
      records: found.answers.flatMap((answer) => pick(answer) ?? []),
      authentic: found.authentic,
      ...(found.name === name ? {} : { canonicalName: found.name }),
    }
  }

  return {
    mx: (domain) =>
      records(domain, 'MX', (answer) =>
        answer.type === 'MX'
          ? { exchange: plainName(answer.data.exchange), preference: answer.data.preference ?? 0 }
          : undefined,
      ),
    a: async (host) => localhost(host, '127.0.0.1') ?? records(host, 'A', textOf('A')),
    aaaa: async (host) => localhost(host, '::1') ?? records(host, 'AAAA', textOf('AAAA')),
    cname: (name) => records(name, 'CNAME', nameOf('CNAME')),
    txt: (name) => records(name, 'TXT', (answer) => (answer.type === 'TXT' ? joined(answer.data) : undefined)),
    ptr: async (address) => {
      const name = reverseName(plainAddress(address))
      if (name === null) throw new SkeinError('no-such-domain', 'permanent', `"${address}" is no IP address`)
      return records(name, 'PTR', nameOf('PTR'))
    },
    tlsa: (name) =>
      records(name, 'TLSA', (answer) => {
        if (answer.type !== 'TLSA') return undefined
        const { usage, selector, matchingType, certificate } = answer.data
        return { usage, selector, matchingType, data: new Uint8Array(certificate) }
      }),
  }
}

interface Step {
  answers: readonly Answer[]
  /** Where the CNAMEs of this reply led. */
  name: string
  passed: readonly string[]
  isLoop: boolean
  ttl: number
}

/** Goes from `start` along the CNAMEs of one reply to the records of `type` (RFC 1034 §3.6.2). */
function follow(answers: readonly Answer[], start: string, type: QuestionType, cnamesMax: number): Step {
  const passed: string[] = []
  let name = start
  let ttl = Infinity
  for (;;) {
    const own = answers.filter((answer) => plainName(answer.name) === name)
    const wanted = own.filter((answer) => answer.type === type)
    if (wanted.length > 0) {
      for (const answer of wanted) if (answer.type !== 'OPT') ttl = Math.min(ttl, ttlSeconds(answer.ttl))
      return { answers: wanted, name, passed, isLoop: false, ttl }
    }
    const alias = own.find((answer): answer is StringAnswer => answer.type === 'CNAME')
    if (!alias) return { answers: [], name, passed, isLoop: false, ttl }
    ttl = Math.min(ttl, ttlSeconds(alias.ttl))
    name = plainName(alias.data)
    if (name === start || passed.includes(name) || passed.length >= cnamesMax || !isAskableName(name)) {
      return { answers: [], name, passed: [...passed, name], isLoop: true, ttl }
    }
    passed.push(name)
  }
}

/** RFC 6761 §6.3: localhost is this machine, and no question to the DNS. */
function localhost(host: string, address: string): DnsRecords<string> | undefined {
  return plainName(host) === 'localhost' ? { records: [address], authentic: false } : undefined
}

const textOf = (type: 'A' | 'AAAA') => (answer: Answer) => (answer.type === type ? answer.data : undefined)
const nameOf = (type: 'CNAME' | 'PTR') => (answer: Answer) =>
  answer.type === type ? plainName(answer.data) : undefined

function joined(data: string | Buffer | readonly (string | Buffer)[]): string {
  const pieces = Array.isArray(data) ? (data as (string | Buffer)[]) : [data as string | Buffer]
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece as string))).toString('utf8')
}

/** RFC 8914 §4: what a validating resolver tells beside SERVFAIL. */
function servfailText(what: string, { extendedError }: Reply): string {
  if (extendedError !== null && extendedError >= 6 && extendedError <= 12) {
    const reasons = ['its signature is wrong', 'its signature has expired', 'its signature is not valid yet']
    const more = ['its keys are missing', 'its signatures are missing', 'its zone has no key', 'its proof is missing']
    const reason = [...reasons, ...more][extendedError - 6] ?? ''
    return `${what} is not believed: ${reason} (DNSSEC)`
  }
  return `${what}: the name server fails (SERVFAIL: wrong signatures, or servers of the zone that do not answer)`
}

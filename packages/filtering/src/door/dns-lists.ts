// Block and allow lists in the DNS (RFC 5782): addresses in reverse under a zone, or domain names; an answer in 127.0.0.0/8 is a hit.
// Promises: a list that is silent, gone, or lists the whole world is passed over, and the log says so now and then.
import { type Clock, type DnsResolver, type Logger, createAddressSet, isErrorCode } from '@skein/runtime'
import { reversedName } from './client-network.ts'
import type { DoorLimits } from './limits.ts'
import { Patience } from './patience.ts'

export interface DnsListSettings {
  zone: string
  /** What is looked up there: the client's address, or the domain of the sender and of HELO. Default: address. */
  of?: 'address' | 'domain'
  /** Answers that count, as addresses or CIDR blocks in 127.0.0.0/8. Empty: each but 127.255.255.0/24, by which lists say no. */
  codes?: readonly string[]
  /** What a hit counts. Negative: a list of friends. Default: 1. */
  weight?: number
}

export interface ListHit {
  zone: string
  weight: number
  /** What the list says of it (TXT), or ''. */
  reason: string
}

export interface DnsListParts {
  resolver: DnsResolver
  clock: Clock
  logger: Logger
}

const isInLoopback = createAddressSet(['127.0.0.0/8'])
/** Well-known lists answer so to those whom they do not serve. */
const isRefusal = createAddressSet(['127.255.255.0/24'])
const reasonCharactersMax = 200
// oxlint-disable-next-line no-control-regex
const notPrintable = /[^\x20-\x7e]/g

/**
 * `bl.example`, `bl.example of=domain codes=127.0.0.2,127.0.0.4/30 weight=2`
 * @throws RangeError with what is wrong
 */
export function parseDnsList(text: string): DnsListSettings {
  const [zone = '', ...words] = text.trim().split(/\s+/)
  if (!/^(?=.{3,150}$)[a-z0-9_-]+(?:\.[a-z0-9_-]+)+$/i.test(zone))
    throw new RangeError(`"${zone}" is no zone of the DNS`)
  const settings: DnsListSettings = { zone }
  for (const word of words) {
    const [name, value = ''] = word.split('=', 2)
    if (name === 'of' && (value === 'address' || value === 'domain')) settings.of = value
    else if (name === 'codes' && value !== '') settings.codes = checkedCodes(value.split(','))
    else if (name === 'weight' && /^-?\d{1,3}(?:\.\d{1,3})?$/.test(value)) settings.weight = Number(value)
    else throw new RangeError(`"${word}" is none of of=address, of=domain, codes=127.0.0.2,…, weight=1`)
  }
  return settings
}

/** @throws RangeError */
function checkedCodes(codes: string[]): string[] {
  createAddressSet(codes)
  if (!codes.every((code) => code.startsWith('127.'))) throw new RangeError('codes of a list begin with 127.')
  return codes
}

export class DnsList {
  readonly zone: string
  readonly of: 'address' | 'domain'
  readonly weight: number
  readonly #parts: DnsListParts
  readonly #limits: DoorLimits
  readonly #counts: (address: string) => boolean
  readonly #patience: Patience
  #checkedMs = -Infinity
  #check: Promise<boolean> | undefined
  #isSound = true
  #warnedMs = -Infinity

  constructor(parts: DnsListParts, settings: DnsListSettings, limits: DoorLimits) {
    const { zone, of = 'address', codes = [], weight = 1 } = settings
    this.zone = zone.toLowerCase().replace(/^\.+|\.+$/g, '')
    this.of = of
    this.weight = weight
    this.#parts = parts
    this.#limits = limits
    this.#patience = new Patience(parts.clock, limits)
    const chosen = createAddressSet(codes)
    this.#counts = (answer) => (codes.length > 0 ? chosen(answer) : !isRefusal(answer))
  }

  /** Never throws. */
  async ask(subject: string): Promise<ListHit | undefined> {
    if (this.#patience.isOver) return undefined
    try {
      if (!(await this.#sound())) return undefined
      const name = `${this.of === 'address' ? reversedName(subject) : subject}.${this.zone}`
      const answers = await this.#answers(name)
      this.#patience.answered()
      if (!answers.some((answer) => this.#counts(answer))) {
        if (answers.some((answer) => isRefusal(answer))) this.#warn('the list does not serve this node', answers)
        return undefined
      }
      return { zone: this.zone, weight: this.weight, reason: await this.#reason(name) }
    } catch (error) {
      this.#patience.failed()
      this.#warn('the list did not answer and is passed over', [], error)
      return undefined
    }
  }

  /** RFC 5782 §5: a list that has not what it must have, or has what it must not have, is out of order. */
  #sound(): boolean | Promise<boolean> {
    const nowMs = this.#parts.clock.monotonicMs()
    if (nowMs - this.#checkedMs < this.#limits.listCheckEveryMs) return this.#isSound
    this.#check ??= this.#examine()
      .then((fault) => {
        this.#isSound = fault === undefined
        this.#checkedMs = this.#parts.clock.monotonicMs()
        if (fault !== undefined) this.#warn(fault, [])
        return this.#isSound
      })
      .finally(() => {
        this.#check = undefined
      })
    return this.#check
  }

  async #examine(): Promise<string | undefined> {
    const [must, mustNot] = this.of === 'address' ? ['2.0.0.127', '1.0.0.127'] : ['TEST', 'INVALID']
    const listed = await this.#answers(`${must}.${this.zone}`)
    const free = await this.#answers(`${mustNot}.${this.zone}`)
    if (free.length > 0) return 'the list has what no list may have (RFC 5782): it is passed over'
    return listed.length > 0 ? undefined : 'the list lacks the entry that each list has (RFC 5782): it is passed over'
  }

  /** RFC 5782 §2.3: an answer outside 127.0.0.0/8 is no list's. */
  async #answers(name: string): Promise<string[]> {
    try {
      const { records } = await this.#parts.resolver.a(name)
      return records.filter((record) => isInLoopback(record))
    } catch (error) {
      if (isErrorCode(error, 'no-such-domain')) return []
      throw error
    }
  }

  async #reason(name: string): Promise<string> {
    try {
      const { records } = await this.#parts.resolver.txt(name)
      return (records[0] ?? '').replace(notPrintable, '?').slice(0, reasonCharactersMax)
    } catch {
      return ''
    }
  }

  #warn(what: string, answers: string[], error?: unknown): void {
    const nowMs = this.#parts.clock.monotonicMs()
    if (nowMs - this.#warnedMs < this.#limits.listWarnEveryMs) return
    this.#warnedMs = nowMs
    const why = error instanceof Error ? { error: error.message } : {}
    this.#parts.logger.warn({ zone: this.zone, answers: answers.slice(0, 3), ...why }, what)
  }
}

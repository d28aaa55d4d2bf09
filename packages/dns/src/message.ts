// Questions and answers of the DNS as bytes (RFC 1035 §4, RFC 6891), on top of dns-packet. Pure.
// Promises: no bytes make the decoder throw; an answer to another question is never taken for one to ours.
import { type Answer, AUTHENTIC_DATA, DNSSEC_OK, type OptAnswer, RECURSION_DESIRED, decode, encode } from 'dns-packet'

export type QuestionType = 'A' | 'AAAA' | 'CNAME' | 'MX' | 'PTR' | 'TLSA' | 'TXT'

export interface Question {
  /** Lower case, no final dot. */
  name: string
  type: QuestionType
}

export interface Reply {
  /** 'NOERROR', 'NXDOMAIN', 'SERVFAIL', … */
  code: string
  isTruncated: boolean
  /** The AD bit as it came: whether to believe it is not said here. */
  saysAuthentic: boolean
  answers: readonly Answer[]
  /** RFC 2308 §5: how long the lack of records holds; null where the answer does not say. */
  negativeTtlSeconds: number | null
  /** RFC 8914: the number of an extended error, or null. */
  extendedError: number | null
  bytes: number
}

const extendedErrorOption = 15

/** @param wantsProof asks whether DNSSEC vouches for the answer. */
export function encodeQuestion(
  { name, type }: Question,
  options: { id: number; wantsProof: boolean; udpBytesMax: number; withEdns: boolean },
): Buffer {
  const opt: OptAnswer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: options.udpBytesMax,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: options.wantsProof ? DNSSEC_OK : 0,
    flag_do: options.wantsProof,
    options: [],
  }
  return encode({
    type: 'query',
    id: options.id,
    // RFC 6840 §5.7: AD in a question asks for AD in the answer.
    flags: RECURSION_DESIRED | (options.wantsProof ? AUTHENTIC_DATA : 0),
    questions: [{ type, name, class: 'IN' }],
    additionals: options.withEdns ? [opt] : [],
  })
}

/** Null for bytes that are no answer to this question. */
export function decodeReply(bytes: Buffer, id: number, question: Question): Reply | null {
  let packet: ReturnType<typeof decode> & { rcode?: string }
  try {
    packet = decode(bytes)
  } catch {
    return null
  }
  const [asked, ...more] = packet.questions ?? []
  // RFC 5452 §9.1: what does not repeat id and question is somebody else's word.
  if (packet.type !== 'response' || packet.id !== id || !asked || more.length > 0) return null
  if (asked.type !== question.type || asked.class !== 'IN' || plainName(asked.name) !== question.name) return null
  const opt = (packet.additionals ?? []).find((record): record is OptAnswer => record.type === 'OPT')
  return {
    code: opt && opt.extendedRcode > 0 ? `RCODE_${opt.extendedRcode}` : (packet.rcode ?? 'FORMERR'),
    isTruncated: packet.flag_tc,
    saysAuthentic: packet.flag_ad,
    answers: packet.answers ?? [],
    negativeTtlSeconds: negativeTtl(packet.authorities ?? []),
    extendedError: extendedErrorOf(opt),
    bytes: bytes.length,
  }
}

function negativeTtl(authorities: readonly Answer[]): number | null {
  for (const record of authorities) {
    if (record.type === 'SOA') return Math.min(ttlSeconds(record.ttl), ttlSeconds(record.data.minimum))
  }
  return null
}

function extendedErrorOf(opt: OptAnswer | undefined): number | null {
  for (const option of (opt?.options ?? []) as { code: number; data?: Buffer }[]) {
    if (option.code === extendedErrorOption && option.data && option.data.length >= 2)
      return option.data.readUInt16BE(0)
  }
  return null
}

/** RFC 2181 §8: with the highest bit set it counts as 0. */
export function ttlSeconds(ttl: number | undefined): number {
  return ttl === undefined || ttl > 0x7f_ff_ff_ff ? 0 : ttl
}

/** Names compare without case and without a final dot; '' is the root. */
export function plainName(name: string): string {
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase()
}

/** Whether a name can stand in a question: 1 to 63 octets a label, 253 in all, printable ASCII (RFC 1035 §2.3.4). */
export function isAskableName(name: string): boolean {
  return name.length <= 253 && name.split('.').every((label) => /^[\x21-\x7e]{1,63}$/.test(label))
}

/** The name under which an address's PTR records lie (RFC 1035 §3.5, RFC 3596 §2.5); null for what is no address. */
export function reverseName(address: string): string | null {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address)
  if (v4) return `${v4.slice(1).toReversed().join('.')}.in-addr.arpa`
  if (!address.includes(':')) return null
  const [head = '', tail, ...others] = address.toLowerCase().split('::')
  if (others.length > 0) return null
  const left = groupsOf(head)
  const right = groupsOf(tail ?? '')
  const missing = tail === undefined ? 0 : 8 - left.length - right.length
  const groups = [...left, ...Array.from({ length: Math.max(missing, 0) }, () => '0'), ...right]
  if (groups.length !== 8 || !groups.every((group) => /^[0-9a-f]{1,4}$/.test(group))) return null
  const nibbles = groups.map((group) => group.padStart(4, '0')).join('')
  return `${nibbles.split('').toReversed().join('.')}.ip6.arpa`
}

function groupsOf(text: string): string[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(group)
    if (!v4) return [group]
    const [a = 0, b = 0, c = 0, d = 0] = v4.slice(1).map(Number)
    return [(a * 256 + b).toString(16), (c * 256 + d).toString(16)]
  })
}

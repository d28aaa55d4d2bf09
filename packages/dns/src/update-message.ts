// A dynamic update (RFC 2136) and its answer as bytes, signed with a shared key (TSIG, RFC 8945). Pure.
// Promises: no bytes make the reader throw; an answer counts only with the signature of whoever has the key.
import { createHmac, timingSafeEqual } from 'node:crypto'

export interface TsigKey {
  /** The name under which the server knows the key. */
  name: string
  algorithm: 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512'
  secret: Uint8Array
}

/** One TXT record, added or taken away. */
export interface TextChange {
  kind: 'add' | 'delete'
  /** Absolute, without the last dot. */
  name: string
  text: string
  ttlSeconds: number
}

export interface SignedUpdate {
  bytes: Uint8Array
  /** Of the request: the answer's signature covers it. */
  mac: Uint8Array
}

export interface UpdateReply {
  /** `NOERROR`, `REFUSED`, `NOTAUTH`, …; of TSIG's own where there is one: `BADSIG`, `BADKEY`, `BADTIME`. */
  code: string
  isSigned: boolean
}

const type = { SOA: 6, TXT: 16, TSIG: 250 } as const
const dnsClass = { IN: 1, NONE: 254, ANY: 255 } as const
const updateFlags = 5 << 11
const fudgeSeconds = 300

const u16 = (value: number): Buffer => Buffer.from([(value >> 8) & 255, value & 255])
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const u48 = (value: number): Buffer => {
  const bytes = Buffer.alloc(6)
  bytes.writeUIntBE(value, 0, 6)
  return bytes
}

/** RFC 8945 §4.3.3: in lower case, never compressed. @throws RangeError for what is no name */
export function encodeName(name: string): Buffer {
  const labels = name.toLowerCase().replace(/\.$/, '').split('.')
  const pieces = labels.map((label) => Buffer.from(label, 'latin1'))
  const isWhole = pieces.every(({ length }) => length > 0 && length < 64)
  const bytes = Buffer.concat([...pieces.flatMap((piece) => [Buffer.from([piece.length]), piece]), Buffer.from([0])])
  if (!isWhole || bytes.length > 255) throw new RangeError(`"${name}" is no name`)
  return bytes
}

function encodeChange({ kind, name, text, ttlSeconds }: TextChange): Buffer {
  const bytes = Buffer.from(text, 'utf8')
  const strings: Buffer[] = []
  for (let at = 0; at < bytes.length || at === 0; at += 255) {
    const piece = bytes.subarray(at, at + 255)
    strings.push(Buffer.from([piece.length]), piece)
  }
  const data = Buffer.concat(strings)
  // RFC 2136 §2.5.1 and §2.5.4.
  const [where, ttl] = kind === 'add' ? [dnsClass.IN, ttlSeconds] : [dnsClass.NONE, 0]
  return Buffer.concat([encodeName(name), u16(type.TXT), u16(where), u32(ttl), u16(data.length), data])
}

export function encodeUpdate(
  zone: string,
  changes: readonly TextChange[],
  key: TsigKey,
  { id, nowSeconds }: { id: number; nowSeconds: number },
): SignedUpdate {
  const counts = [1, 0, changes.length, 0].map(u16)
  const message = Buffer.concat([
    u16(id),
    u16(updateFlags),
    ...counts,
    encodeName(zone),
    u16(type.SOA),
    u16(dnsClass.IN),
    ...changes.map(encodeChange),
  ])
  const mac = macOf(key, [message, tsigVariables(key, nowSeconds, 0, Buffer.alloc(0))])
  const data = Buffer.concat([
    encodeName(key.algorithm),
    u48(nowSeconds),
    u16(fudgeSeconds),
    u16(mac.length),
    mac,
    u16(id),
    u16(0),
    u16(0),
  ])
  const tsig = Buffer.concat([encodeName(key.name), u16(type.TSIG), u16(dnsClass.ANY), u32(0), u16(data.length), data])
  const bytes = Buffer.concat([message, tsig])
  bytes.writeUInt16BE(1, 10)
  return { bytes, mac }
}

function macOf(key: TsigKey, pieces: readonly Uint8Array[]): Buffer {
  const hmac = createHmac(key.algorithm.slice('hmac-'.length), key.secret)
  for (const piece of pieces) hmac.update(piece)
  return hmac.digest()
}

/** RFC 8945 §4.3.3. */
function tsigVariables(key: TsigKey, seconds: number, error: number, other: Uint8Array): Buffer {
  return Buffer.concat([
    encodeName(key.name),
    u16(dnsClass.ANY),
    u32(0),
    encodeName(key.algorithm),
    u48(seconds),
    u16(fudgeSeconds),
    u16(error),
    u16(other.length),
    other,
  ])
}

const codes = new Map([
  [0, 'NOERROR'],
  [1, 'FORMERR'],
  [2, 'SERVFAIL'],
  [3, 'NXDOMAIN'],
  [4, 'NOTIMP'],
  [5, 'REFUSED'],
  [9, 'NOTAUTH'],
  [10, 'NOTZONE'],
  [16, 'BADSIG'],
  [17, 'BADKEY'],
  [18, 'BADTIME'],
])
const codeName = (code: number): string => codes.get(code) ?? `RCODE ${code}`

/** @returns undefined for what is no answer to that request */
export function decodeUpdateReply(
  bytes: Uint8Array,
  id: number,
  key: TsigKey,
  mac: Uint8Array,
): UpdateReply | undefined {
  try {
    return readReply(Buffer.from(bytes), id, key, mac)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function readReply(bytes: Buffer, id: number, key: TsigKey, mac: Uint8Array): UpdateReply | undefined {
  const flags = bytes.readUInt16BE(2)
  const isAnswer = (flags & 0x80_00) !== 0 && ((flags >> 11) & 15) === 5
  if (bytes.readUInt16BE(0) !== id || !isAnswer) return undefined
  const code = codeName(flags & 15)
  const [zones = 0, ...sections] = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at))
  let at = 12
  for (let index = 0; index < zones; index++) at = afterName(bytes, at) + 4
  const records = sections.reduce((sum, count) => sum + count, 0)
  if (records === 0) return { code, isSigned: false }
  for (let index = 1; index < records; index++) {
    const head = afterName(bytes, at)
    at = head + 10 + bytes.readUInt16BE(head + 8)
  }
  const tsig = readTsig(bytes, at)
  if (tsig === undefined) return { code, isSigned: false }
  // Without TSIG, as it was signed (RFC 8945 §5.3).
  const message = Buffer.from(bytes.subarray(0, at))
  message.writeUInt16BE((sections.at(-1) as number) - 1, 10)
  message.writeUInt16BE(tsig.originalId, 0)
  const variables = Buffer.concat([
    encodeName(key.name),
    u16(dnsClass.ANY),
    u32(0),
    encodeName(key.algorithm),
    tsig.times,
    u16(tsig.error),
    u16(tsig.other.length),
    tsig.other,
  ])
  const expected = macOf(key, [u16(mac.length), mac, message, variables])
  const isSigned = tsig.mac.length === expected.length && timingSafeEqual(tsig.mac, expected)
  return { code: tsig.error === 0 ? code : codeName(tsig.error), isSigned }
}

/** The place behind a name. @throws RangeError past the end */
function afterName(bytes: Buffer, from: number): number {
  let at = from
  for (;;) {
    const length = bytes.readUInt8(at)
    if (length >= 0xc0) return at + 2
    if (length > 63) throw new RangeError('no label')
    at += length + 1
    if (length === 0) return at
  }
}

function readTsig(bytes: Buffer, from: number) {
  const head = afterName(bytes, from)
  if (bytes.readUInt16BE(head) !== type.TSIG) return undefined
  const timesAt = afterName(bytes, head + 10)
  const macLength = bytes.readUInt16BE(timesAt + 8)
  const rest = timesAt + 10 + macLength
  const otherLength = bytes.readUInt16BE(rest + 4)
  if (bytes.length < rest + 6 + otherLength) throw new RangeError('cut short')
  return {
    /** Time signed and fudge. */
    times: bytes.subarray(timesAt, timesAt + 8),
    mac: bytes.subarray(timesAt + 10, rest),
    originalId: bytes.readUInt16BE(rest),
    error: bytes.readUInt16BE(rest + 2),
    other: bytes.subarray(rest + 6, rest + 6 + otherLength),
  }
}

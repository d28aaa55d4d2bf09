// What nodes say to each other about letters, on the service `mail`: CBOR maps, version 1, unknown fields ignored.
// OFFER (small letters whole) -> RESULTS | TAKE, then DATA … -> MORE | RESULTS. Decoders refuse, never guess.
import { decodeCbor, encodeCbor, SkeinError, type CborValue } from '@skein/runtime'
import {
  readEnvelopeOptions,
  readRecipientOptions,
  type EnvelopeOptions,
  type RecipientOptions,
} from './envelope-options.ts'

export const mailProtocolVersion = 1

export interface OfferedRecipient {
  index: number
  address: string
  accountId: string
  options?: RecipientOptions
  /** See QueueRecipient. */
  into?: 'sent'
}

export interface Offer {
  t: 'offer'
  v: number
  id: string
  /** Envelope sender. */
  from: string
  recipients: OfferedRecipient[]
  /** Bytes of the letter that will follow, without Return-Path. */
  size: number
  messageId: string
  smtpUtf8: boolean
  eightBit: boolean
  receivedMs: number
  /** To be filed under Junk. A node of an older version does not say. */
  junk?: boolean
  options?: EnvelopeOptions
  /** The whole letter, where it is small. */
  body: Uint8Array | null
}

export interface Data {
  t: 'data'
  upload: string
  offset: number
  bytes: Uint8Array
  /** With the last chunk: SHA-256 of the whole letter. */
  sha256: Uint8Array | null
}

export type MailRequest = Offer | Data

export type PeerVerdict = 'stored' | 'have' | 'not-owner' | 'temporary' | 'permanent'

export interface PeerResult {
  index: number
  verdict: PeerVerdict
  code: number
  status: string
  text: string
  /** not-owner: who is the home in the answering node's view, '' for nobody. */
  home: string
}

export type MailReply =
  | { t: 'results'; results: PeerResult[] }
  | { t: 'take'; upload: string }
  | { t: 'more' }
  | { t: 'busy' }
  /** The upload is not known (any more): offer the letter again. */
  | { t: 'unknown-upload' }

export function encodeMail(message: MailRequest | MailReply): Uint8Array {
  return encodeCbor(message)
}

/** @throws SkeinError `malformed-mail-request` */
export function decodeMailRequest(bytes: Uint8Array): MailRequest {
  const map = new Fields(bytes, 'malformed-mail-request')
  const options = readEnvelopeOptions(map.any('options'))
  switch (map.text('t')) {
    case 'offer':
      return {
        t: 'offer',
        v: map.count('v'),
        id: map.text('id'),
        from: map.text('from'),
        recipients: map.list('recipients').map((entry) => {
          const options = readRecipientOptions(entry.any('options'))
          return {
            index: entry.count('index'),
            address: entry.text('address'),
            accountId: entry.text('accountId'),
            ...(options && { options }),
            ...(entry.any('into') === 'sent' && { into: 'sent' as const }),
          }
        }),
        size: map.count('size'),
        messageId: map.text('messageId'),
        smtpUtf8: map.flag('smtpUtf8'),
        eightBit: map.flag('eightBit'),
        receivedMs: map.count('receivedMs'),
        ...(map.flagIfAny('junk') && { junk: true }),
        ...(options && { options }),
        body: map.bytesOrNull('body'),
      }
    case 'data':
      return {
        t: 'data',
        upload: map.text('upload'),
        offset: map.count('offset'),
        bytes: map.bytes('bytes'),
        sha256: map.bytesOrNull('sha256'),
      }
    default:
      throw map.malformed('t')
  }
}

const verdicts: readonly string[] = ['stored', 'have', 'not-owner', 'temporary', 'permanent']

/** @throws SkeinError `malformed-mail-reply` */
export function decodeMailReply(bytes: Uint8Array): MailReply {
  const map = new Fields(bytes, 'malformed-mail-reply')
  switch (map.text('t')) {
    case 'results':
      return {
        t: 'results',
        results: map.list('results').map((entry) => {
          const verdict = entry.text('verdict')
          if (!verdicts.includes(verdict)) throw entry.malformed('verdict')
          return {
            index: entry.count('index'),
            verdict: verdict as PeerVerdict,
            code: entry.count('code'),
            status: entry.text('status'),
            text: entry.text('text'),
            home: entry.text('home'),
          }
        }),
      }
    case 'take':
      return { t: 'take', upload: map.text('upload') }
    case 'more':
      return { t: 'more' }
    case 'busy':
      return { t: 'busy' }
    case 'unknown-upload':
      return { t: 'unknown-upload' }
    default:
      throw map.malformed('t')
  }
}

/** A CBOR map whose fields must have the type that is asked for. */
export class Fields {
  readonly #map: { [key: string]: CborValue | undefined }
  readonly #code: string

  constructor(from: Uint8Array | CborValue, code: string) {
    this.#code = code
    const value = from instanceof Uint8Array ? decodeCbor(from) : from
    if (value === null || typeof value !== 'object' || Array.isArray(value) || value instanceof Uint8Array) {
      throw new SkeinError(code, 'refused', 'a map was expected')
    }
    this.#map = value
  }

  malformed(name: string): SkeinError {
    return new SkeinError(this.#code, 'refused', `the field ${name} is missing or wrong`)
  }

  /** Whatever stands there, for readers that are content with anything. */
  any(name: string): CborValue | undefined {
    return this.#map[name]
  }

  text(name: string): string {
    const value = this.#map[name]
    if (typeof value !== 'string') throw this.malformed(name)
    return value
  }

  /** A whole number from 0 on. */
  count(name: string): number {
    const value = this.#map[name]
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw this.malformed(name)
    return value
  }

  countOrNull(name: string): number | null {
    return this.#map[name] === null ? null : this.count(name)
  }

  oneOf<Word extends string>(name: string, words: readonly Word[]): Word {
    const value = this.text(name)
    const word = words.find((it) => it === value)
    if (word === undefined) throw this.malformed(name)
    return word
  }

  flag(name: string): boolean {
    const value = this.#map[name]
    if (typeof value !== 'boolean') throw this.malformed(name)
    return value
  }

  flagIfAny(name: string): boolean {
    return this.#map[name] !== undefined && this.flag(name)
  }

  bytes(name: string): Uint8Array {
    const value = this.#map[name]
    if (!(value instanceof Uint8Array)) throw this.malformed(name)
    return value
  }

  bytesOrNull(name: string): Uint8Array | null {
    return this.#map[name] === null ? null : this.bytes(name)
  }

  list(name: string): Fields[] {
    const value = this.#map[name]
    if (!Array.isArray(value)) throw this.malformed(name)
    return value.map((entry) => new Fields(entry, this.#code))
  }
}

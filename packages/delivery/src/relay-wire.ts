// What nodes say to each other about letters that one sends for another, on the service `relay`: CBOR maps, version 1,
// unknown fields ignored. docs/protocols/mesh/hand-over.md. Decoders refuse, never guess.
import { encodeCbor } from '@skein/runtime'
import {
  readEnvelopeOptions,
  readRecipientOptions,
  type EnvelopeOptions,
  type RecipientOptions,
} from './envelope-options.ts'
import type { PathNews } from './path-memory.ts'
import { Fields } from './peer-wire.ts'

export const relayProtocolVersion = 1

export interface RelayOffer {
  t: 'offer'
  v: number
  ticket: string
  /** The letter's id at its origin. */
  letter: string
  from: string
  recipients: { index: number; address: string; options?: RecipientOptions; forwardedFor?: string }[]
  size: number
  messageId: string
  smtpUtf8: boolean
  eightBit: boolean
  options?: EnvelopeOptions
  /** The whole letter, where it is small. */
  body: Uint8Array | null
}

export interface RelayData {
  t: 'data'
  ticket: string
  offset: number
  bytes: Uint8Array
}

/** What became of one recipient. */
export interface RelayResult {
  index: number
  end: 'delivered' | 'failed' | 'recalled'
  kind: 'delivered' | 'temporary' | 'permanent'
  code: number
  status: string
  text: string
  hop: string
  /** That host tells the sender itself what DSN asked for (RFC 3461). */
  dsnPassedOn: boolean
  /** The same for BY (RFC 2852). */
  deliverByPassedOn: boolean
}

export type RelayRequest =
  | RelayOffer
  | RelayData
  /** Origin: send it now, if that has not been done; and tell how it stands. */
  | { t: 'go'; ticket: string; stage: string; hurry: boolean }
  /** Origin: give it back, unless it was sent. */
  | { t: 'recall'; ticket: string; stage: string }
  /** Relay: may it go? After a start, and when no word came. */
  | { t: 'ask'; ticket: string; stage: string }
  /** Relay: all of it is over. Repeated until it is noted. */
  | { t: 'outcome'; ticket: string; stage: string; results: RelayResult[] }
  | { t: 'paths'; news: PathNews[] }

export type RelayReply =
  /** On the disk; waits for `go` under this stage. */
  | { t: 'staged'; stage: string }
  | { t: 'send'; offset: number }
  /** `again`: not now, perhaps later. */
  | { t: 'declined'; code: number; status: string; text: string; again: boolean }
  | { t: 'state'; state: 'working' | 'done' | 'unknown'; results: RelayResult[] }
  | { t: 'word'; word: 'go' | 'wait' | 'void' }
  | { t: 'noted' }

export function encodeRelay(message: RelayRequest | RelayReply): Uint8Array {
  return encodeCbor(message)
}

/** @throws SkeinError `malformed-relay-request` */
export function decodeRelayRequest(bytes: Uint8Array): RelayRequest {
  const map = new Fields(bytes, 'malformed-relay-request')
  const t = map.text('t')
  switch (t) {
    case 'offer':
      return readOffer(map)
    case 'data':
      return { t, ticket: map.text('ticket'), offset: map.count('offset'), bytes: map.bytes('bytes') }
    case 'go':
      return { t, ticket: map.text('ticket'), stage: map.text('stage'), hurry: map.flag('hurry') }
    case 'recall':
    case 'ask':
      return { t, ticket: map.text('ticket'), stage: map.text('stage') }
    case 'outcome':
      return { t, ticket: map.text('ticket'), stage: map.text('stage'), results: readResults(map) }
    case 'paths':
      return {
        t,
        news: map.list('news').map((entry) => ({
          domain: entry.text('domain'),
          okAgeMs: entry.countOrNull('okAgeMs'),
          refusedAgeMs: entry.countOrNull('refusedAgeMs'),
          cause: entry.oneOf('cause', ['address', 'unreachable']),
        })),
      }
    default:
      throw map.malformed('t')
  }
}

function readOffer(map: Fields): RelayOffer {
  const options = readEnvelopeOptions(map.any('options'))
  return {
    t: 'offer',
    v: map.count('v'),
    ticket: map.text('ticket'),
    letter: map.text('letter'),
    from: map.text('from'),
    recipients: map.list('recipients').map((entry) => {
      const own = readRecipientOptions(entry.any('options'))
      const via = entry.any('forwardedFor')
      return {
        index: entry.count('index'),
        address: entry.text('address'),
        ...(own && { options: own }),
        ...(typeof via === 'string' && { forwardedFor: via }),
      }
    }),
    size: map.count('size'),
    messageId: map.text('messageId'),
    smtpUtf8: map.flag('smtpUtf8'),
    eightBit: map.flag('eightBit'),
    ...(options && { options }),
    body: map.bytesOrNull('body'),
  }
}

function readResults(map: Fields): RelayResult[] {
  return map.list('results').map((entry) => ({
    index: entry.count('index'),
    end: entry.oneOf('end', ['delivered', 'failed', 'recalled']),
    kind: entry.oneOf('kind', ['delivered', 'temporary', 'permanent']),
    code: entry.count('code'),
    status: entry.text('status'),
    text: entry.text('text'),
    hop: entry.text('hop'),
    dsnPassedOn: entry.flag('dsnPassedOn'),
    deliverByPassedOn: entry.flag('deliverByPassedOn'),
  }))
}

/** @throws SkeinError `malformed-relay-reply` */
export function decodeRelayReply(bytes: Uint8Array): RelayReply {
  const map = new Fields(bytes, 'malformed-relay-reply')
  const t = map.text('t')
  switch (t) {
    case 'staged':
      return { t, stage: map.text('stage') }
    case 'send':
      return { t, offset: map.count('offset') }
    case 'declined': {
      const said = { code: map.count('code'), status: map.text('status'), text: map.text('text') }
      return { t, ...said, again: map.flag('again') }
    }
    case 'state':
      return { t, state: map.oneOf('state', ['working', 'done', 'unknown']), results: readResults(map) }
    case 'word':
      return { t, word: map.oneOf('word', ['go', 'wait', 'void']) }
    case 'noted':
      return { t }
    default:
      throw map.malformed('t')
  }
}

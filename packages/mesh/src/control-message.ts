// What is said on the hello stream and in a join request, as CBOR maps; fields that this version does not know are ignored.
import { SkeinError, decodeCbor, encodeCbor } from '@skein/runtime'
import type { CborValue } from '@skein/runtime'

/** Bytes from the ledger, opaque here, with what the transport itself must know of the sender. */
export interface Greeting {
  /** Random for each start of a mesh: tells a peer that restarted from one that dials twice. */
  session: Uint8Array
  hello: Uint8Array
  factorProof?: Uint8Array
}

export type ControlMessage = { kind: 'hello'; greeting: Greeting } | { kind: 'ready' } | { kind: 'retire' }

export interface JoinRequest {
  request: Uint8Array
  factorProof?: Uint8Array
}

export function encodeGreeting(greeting: Greeting): Uint8Array {
  return encodeCbor({ kind: 'hello', ...greeting })
}

export function encodeSignal(kind: 'ready' | 'retire'): Uint8Array {
  return encodeCbor({ kind })
}

/** @throws SkeinError `malformed-cbor`, `bad-control-message` */
export function decodeControl(bytes: Uint8Array): ControlMessage {
  const fields = decodeMap(bytes)
  if (fields['kind'] === 'ready') return { kind: 'ready' }
  if (fields['kind'] === 'retire') return { kind: 'retire' }
  if (fields['kind'] === 'hello') return { kind: 'hello', greeting: greetingOf(fields) }
  throw malformed()
}

/** @throws SkeinError `malformed-cbor`, `bad-control-message` */
export function decodeGreeting(bytes: Uint8Array): Greeting {
  return greetingOf(decodeMap(bytes))
}

export function encodeJoin(join: JoinRequest): Uint8Array {
  return encodeCbor(join)
}

/** @throws SkeinError `malformed-cbor`, `bad-control-message` */
export function decodeJoin(bytes: Uint8Array): JoinRequest {
  const { request, factorProof } = decodeMap(bytes)
  if (!(request instanceof Uint8Array)) throw malformed()
  return { request, ...proofOf(factorProof) }
}

function greetingOf({ session, hello, factorProof }: Record<string, CborValue | undefined>): Greeting {
  if (!(session instanceof Uint8Array) || !(hello instanceof Uint8Array)) throw malformed()
  return { session, hello, ...proofOf(factorProof) }
}

function proofOf(factorProof: CborValue | undefined): { factorProof?: Uint8Array } {
  if (factorProof === undefined) return {}
  if (!(factorProof instanceof Uint8Array)) throw malformed()
  return { factorProof }
}

function decodeMap(bytes: Uint8Array): Record<string, CborValue | undefined> {
  const value = decodeCbor(bytes)
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw malformed()
  }
  return value
}

function malformed(): SkeinError {
  return new SkeinError('bad-control-message', 'refused', 'the message has no meaning here')
}

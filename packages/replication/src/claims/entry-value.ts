// What a node's document says of one user: a compact CBOR array. Elements that this version does not know are kept when a value is
// changed, so that a newer node's fields survive an older one's edit.
import { decodeCbor, encodeCbor } from '@skein/runtime'
import type { CborValue } from '@skein/runtime'
import { fromHex, hex } from '../identity.ts'
import { bytesListOf, bytesOf, countOf, listOf } from '../wire/fields.ts'

/** The word of one registrar: its own signature, or the number of a certificate in the same document (`=<number>`). */
export interface Acknowledgement {
  /** Short id, hex. */
  registrar: string
  proof: Uint8Array | number
}

export interface EntryValue {
  /** 32 hex digits. */
  accountId: string
  epoch: number
  /** Hybrid time of the claim: never changes afterwards. */
  claimTime: number
  suspended: boolean
  /** Short ids of the registrars that were asked; empty when the mesh had one node. */
  registrars: string[]
  acknowledgements: Acknowledgement[]
  /** Short ids. */
  replicas: string[]
  /** Short ids: the in-sync set. */
  inSync: string[]
  /** First the map of entry-details.ts, then elements of a later version, as they came. */
  extra: CborValue[]
}

const SUSPENDED = 1
const EMPTY_TAIL = Uint8Array.of(0x80, 0x80, 0x80, 0x80)

/** Of lower-case hex. */
function digitOf(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code < 0x3a ? code - 0x30 : code - 0x57
}

/** A fresh claim without registrars, written by hand since bulk imports make a million of them; plain CBOR all the same. */
function encodePlain(value: EntryValue): Uint8Array {
  const bytes = new Uint8Array(33)
  bytes[0] = 0x88
  bytes[1] = 0x50
  for (let i = 0; i < 16; i++) {
    bytes[i + 2] = (digitOf(value.accountId, 2 * i) << 4) | digitOf(value.accountId, 2 * i + 1)
  }
  bytes[18] = value.epoch
  bytes[19] = 0x1b
  const view = new DataView(bytes.buffer)
  view.setUint32(20, Math.floor(value.claimTime / 0x1_0000_0000))
  view.setUint32(24, value.claimTime % 0x1_0000_0000)
  bytes[28] = value.suspended ? SUSPENDED : 0
  bytes.set(EMPTY_TAIL, 29)
  return bytes
}

export function encodeEntryValue(value: EntryValue): Uint8Array {
  const lists = [value.registrars, value.acknowledgements, value.replicas, value.inSync, value.extra]
  if (value.epoch < 24 && value.claimTime > 0xffff_ffff && lists.every((list) => list.length === 0)) {
    return encodePlain(value)
  }
  return encodeCbor([
    fromHex(value.accountId),
    value.epoch,
    value.claimTime,
    value.suspended ? SUSPENDED : 0,
    value.registrars.map(fromHex),
    value.acknowledgements.map((ack) => [fromHex(ack.registrar), ack.proof]),
    value.replicas.map(fromHex),
    value.inSync.map(fromHex),
    ...value.extra,
  ])
}

function acknowledgementOf(item: CborValue): Acknowledgement {
  const [registrar, proof] = listOf(item, 'acknowledgement', 8)
  return {
    registrar: hex(bytesOf(registrar, 'registrar', 8)),
    proof: typeof proof === 'number' ? countOf(proof, 'certificate') : bytesOf(proof, 'promise', 64),
  }
}

/** Undefined for anything that is not an entry: what another node wrote must never throw here. */
export function decodeEntryValue(bytes: Uint8Array): EntryValue | undefined {
  try {
    const items = listOf(decodeCbor(bytes), 'entry', 64)
    const [account, epoch, claimTime, flags, registrars, acks, replicas, inSync, ...extra] = items
    return {
      accountId: hex(bytesOf(account, 'account id', 16)),
      epoch: countOf(epoch, 'epoch'),
      claimTime: countOf(claimTime, 'claim time'),
      suspended: (countOf(flags, 'flags') & SUSPENDED) !== 0,
      registrars: bytesListOf(registrars, 'registrars', 8, 16).map(hex),
      acknowledgements: listOf(acks, 'acknowledgements', 16).map(acknowledgementOf),
      replicas: bytesListOf(replicas, 'replicas', 8, 64).map(hex),
      inSync: bytesListOf(inSync, 'in-sync set', 8, 64).map(hex),
      extra,
    }
  } catch {
    return undefined
  }
}

/** The account id at its fixed place, without decoding the rest; undefined when it can't be an entry. */
export function accountIdBytesOf(value: Uint8Array): Uint8Array | undefined {
  const first = value[0] ?? 0
  return first >= 0x88 && first <= 0x97 && value[1] === 0x50 && value.length >= 24 ? value.subarray(2, 18) : undefined
}

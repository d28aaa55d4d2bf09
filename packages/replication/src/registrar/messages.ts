// What nodes say to each other on the `own` service: claims of names, and names given back. CBOR arrays, the first element says what
// it is.
import { decodeCbor, encodeCbor } from '@skein/runtime'
import type { CborValue } from '@skein/runtime'
import { fromHex, hex } from '../identity.ts'
import type { RegistrarAnswer } from '../claims/registrars.ts'
import { bytesListOf, bytesOf, countOf, listOf, malformed, textOf } from '../wire/fields.ts'

export interface ClaimedName {
  address: string
  accountId: string
  claimTime: number
  /** Short ids of all registrars asked, sorted. */
  registrars: string[]
}

export interface NamedAccount {
  address: string
  accountId: string
}

export type OwnRequest =
  /** Each group holds names of one shard. */
  | { kind: 'claim'; groups: ClaimedName[][] }
  | { kind: 'release'; names: NamedAccount[] }
  /** A registrar asks the claimant which of these promises it still needs. */
  | { kind: 'recheck'; names: NamedAccount[] }

/** A promise: over one name, or over all names granted in the group at once. */
export type GroupProof =
  | { kind: 'single'; signatures: (Uint8Array | null)[] }
  | { kind: 'list'; digests: Uint8Array; signature: Uint8Array }

export interface GroupAnswer {
  answers: RegistrarAnswer[]
  proof: GroupProof
}

const codes = { claim: 1, release: 2, recheck: 3 } as const
const answerCodes = { granted: 0, taken: 1, held: 2, abstained: 3 } as const

export function encodeOwnRequest(request: OwnRequest): Uint8Array {
  if (request.kind !== 'claim') {
    return encodeCbor([
      codes[request.kind],
      request.names.map(({ address, accountId }) => [address, fromHex(accountId)]),
    ])
  }
  const groups = request.groups.map((group) =>
    group.map(({ address, accountId, claimTime, registrars }) => [
      address,
      fromHex(accountId),
      claimTime,
      registrars.map(fromHex),
    ]),
  )
  return encodeCbor([codes.claim, groups])
}

/** @throws SkeinError `malformed-cbor`, `malformed-record` */
export function decodeOwnRequest(bytes: Uint8Array): OwnRequest {
  const [code, body] = listOf(decodeCbor(bytes), 'request', 32)
  if (code === codes.release || code === codes.recheck) {
    const names = listOf(body, 'names').map((item) => {
      const [address, accountId] = listOf(item, 'name', 8)
      return { address: textOf(address, 'address'), accountId: hex(bytesOf(accountId, 'account id', 16)) }
    })
    return { kind: code === codes.release ? 'release' : 'recheck', names }
  }
  if (code !== codes.claim) throw malformed('request kind')
  return { kind: 'claim', groups: listOf(body, 'groups').map((group) => listOf(group, 'group').map(claimedName)) }
}

function claimedName(item: CborValue): ClaimedName {
  const [address, accountId, claimTime, registrars] = listOf(item, 'claim', 16)
  return {
    address: textOf(address, 'address'),
    accountId: hex(bytesOf(accountId, 'account id', 16)),
    claimTime: countOf(claimTime, 'claim time'),
    registrars: bytesListOf(registrars, 'registrars', 8, 16).map(hex),
  }
}

export function encodeClaimAnswers(groups: readonly GroupAnswer[]): Uint8Array {
  return encodeCbor(
    groups.map(({ answers, proof }) => [
      answers.map((answer) =>
        answer.kind === 'held'
          ? [answerCodes.held, fromHex(answer.by.accountId), answer.by.claimTime]
          : [answerCodes[answer.kind]],
      ),
      proof.kind === 'single' ? [0, proof.signatures] : [1, proof.digests, proof.signature],
    ]),
  )
}

function decodeAnswer(item: CborValue): RegistrarAnswer {
  const [code, accountId, claimTime] = listOf(item, 'answer', 8)
  switch (code) {
    case answerCodes.granted:
      return { kind: 'granted' }
    case answerCodes.taken:
      return { kind: 'taken' }
    case answerCodes.held:
      return {
        kind: 'held',
        by: { accountId: hex(bytesOf(accountId, 'account id', 16)), claimTime: countOf(claimTime, 'claim time') },
      }
    default:
      return { kind: 'abstained' }
  }
}

/** @throws SkeinError `malformed-cbor`, `malformed-record` */
export function decodeClaimAnswers(bytes: Uint8Array): GroupAnswer[] {
  return listOf(decodeCbor(bytes), 'answers').map((group) => {
    const [answers, proof] = listOf(group, 'group', 8)
    const [kind, first, second] = listOf(proof, 'proof', 8)
    return {
      answers: listOf(answers, 'answers').map(decodeAnswer),
      proof:
        kind === 1
          ? { kind: 'list', digests: bytesOf(first, 'digests'), signature: bytesOf(second, 'signature', 64) }
          : {
              kind: 'single',
              signatures: listOf(first, 'signatures').map((item) =>
                item === null ? null : bytesOf(item, 'signature', 64),
              ),
            },
    }
  })
}

/** For each name asked about, in order: still needed. */
export function encodeNeeded(needed: readonly boolean[]): Uint8Array {
  return encodeCbor(needed)
}

export function decodeNeeded(bytes: Uint8Array): boolean[] {
  return listOf(decodeCbor(bytes), 'answer').map((item) => item !== false)
}

// A node that changes its key: the old key names the new one, and the new one proves that it is there.
import type { NodeId } from '@skein/runtime'
import { verifiedBy } from '../identity.ts'
import { signedBytes } from '../wire/signed.ts'

/** What the new key signs. */
export function rotationBytes(meshId: string, from: NodeId, to: NodeId): Uint8Array {
  return signedBytes('membership', new TextEncoder().encode(`rotate ${meshId} ${from} ${to}`))
}

export function rotationProofHolds(meshId: string, from: NodeId, to: NodeId, proof: Uint8Array): boolean {
  return verifiedBy(to, rotationBytes(meshId, from, to), proof)
}

// A registrar's signed word that it gave a name to nobody else: over one claim, or over a list of claims at once, so that an import of
// a hundred thousand users does not carry as many signatures.
import { encodeCbor, decodeCbor } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'
import { claimDigest } from '../claims/resolution.ts'
import type { Claim } from '../claims/resolution.ts'
import { fromHex, verifiedBy } from '../identity.ts'
import { bytesOf, listOf } from '../wire/fields.ts'
import { signedBytes } from '../wire/signed.ts'

export const digestBytes = 16

/** @param digests one after the other, sixteen bytes each */
export function promiseBytes(meshId: string, digests: Uint8Array): Uint8Array {
  return signedBytes('promise', encodeCbor([fromHex(meshId), digests]))
}

export function promiseHolds(meshId: string, registrar: NodeId, digests: Uint8Array, signature: Uint8Array): boolean {
  return verifiedBy(registrar, promiseBytes(meshId, digests), signature)
}

/** Where in a users' document the list stands to which acknowledgements refer by its number. */
export function certificateKey(number: number): string {
  return `=${number}`
}

export function encodeCertificate(digests: Uint8Array, signature: Uint8Array): Uint8Array {
  return encodeCbor([signature, digests])
}

/** Does that certificate of that registrar cover the claim. */
export function certificateCovers(
  certificate: Uint8Array,
  meshId: string,
  registrar: NodeId,
  address: string,
  claim: Claim,
): boolean {
  try {
    const [signature, list] = listOf(decodeCbor(certificate), 'certificate', 8)
    const digests = bytesOf(list, 'digests')
    const wanted = claimDigest(address, claim.owner, claim.value)
    for (let at = 0; at + digestBytes <= digests.length; at += digestBytes) {
      if (Buffer.compare(digests.subarray(at, at + digestBytes), wanted) === 0) {
        return promiseHolds(meshId, registrar, digests, bytesOf(signature, 'signature', 64))
      }
    }
    return false
  } catch {
    return false
  }
}

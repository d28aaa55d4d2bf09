// DI-46: a user name and password that a peer must know besides being a member. Neither is sent: each side proves that it
// knows them for exactly this pair of nodes and this direction, so a proof is worth nothing to anyone else.
import { createHmac, scrypt, timingSafeEqual } from 'node:crypto'
import type { NodeId } from '@skein/runtime'
import type { SecondFactor } from './settings.ts'

const keyBytes = 32
const keys = new WeakMap<SecondFactor, Promise<Buffer>>()

export async function proveFactor(factor: SecondFactor, prover: NodeId, verifier: NodeId): Promise<Uint8Array> {
  const hmac = createHmac('sha256', await keyOf(factor))
  return new Uint8Array(hmac.update(`skein/1/second-factor\0${prover}\0${verifier}`).digest())
}

export async function factorProven(
  factor: SecondFactor,
  prover: NodeId,
  verifier: NodeId,
  proof: Uint8Array | undefined,
): Promise<boolean> {
  const expected = await proveFactor(factor, prover, verifier)
  return proof !== undefined && proof.byteLength === expected.byteLength && timingSafeEqual(proof, expected)
}

/** Slow on purpose, so that a recorded proof does not give a weak password away cheaply; derived once a factor. */
function keyOf(factor: SecondFactor): Promise<Buffer> {
  let key = keys.get(factor)
  if (key === undefined) {
    key = new Promise<Buffer>((resolve, reject) => {
      scrypt(factor.password, `skein/1/second-factor\0${factor.user}`, keyBytes, (error, derived) => {
        if (error === null) resolve(derived)
        else reject(error)
      })
    })
    keys.set(factor, key)
  }
  return key
}

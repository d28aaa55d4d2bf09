// What the home keeps of a password for SCRAM-SHA-256 (RFC 5802 §3, RFC 7677): enough to check a log-in, and to prove
// to the client that the server knows it too; not enough to log in with.
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { accountLimits } from '../limits.ts'
import { saslprep } from './saslprep.ts'

const derive = promisify(pbkdf2)

/** Kept in the account's record; all bytes as base64. */
export interface ScramVerifier {
  version: 1
  salt: string
  iterations: number
  storedKey: string
  serverKey: string
  /** Digest of the password hash that it stands beside: one that was changed by an older Skein makes this worthless. */
  of: string
}

export function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

export function sha256(bytes: Uint8Array | string): Buffer {
  return createHash('sha256').update(bytes).digest()
}

export function digestOfHash(passwordHash: string): string {
  return sha256(passwordHash).subarray(0, 16).toString('base64')
}

/** RFC 5802 §3. A password that SASLprep forbids is taken as it is, as clients do that let it pass. */
export async function createScramVerifier(
  password: string,
  passwordHash: string,
  salt: Uint8Array,
  iterations: number = accountLimits.scramIterations,
): Promise<ScramVerifier> {
  const salted = await derive(saslprep(password) ?? password, salt, iterations, 32, 'sha256')
  return {
    version: 1,
    salt: Buffer.from(salt).toString('base64'),
    iterations,
    storedKey: sha256(hmac(salted, 'Client Key')).toString('base64'),
    serverKey: hmac(salted, 'Server Key').toString('base64'),
    of: digestOfHash(passwordHash),
  }
}

/** The account's verifier, where it has one that belongs to its password. */
export function scramVerifierOf(account: {
  passwordHash: string | null
  scram?: ScramVerifier | null
}): ScramVerifier | undefined {
  const { scram, passwordHash } = account
  if (!scram || scram.version !== 1 || passwordHash === null) return undefined
  return scram.of === digestOfHash(passwordHash) ? scram : undefined
}

/** RFC 5802 §3: whether whoever made `proof` knows the password. `message` is the whole dialogue (AuthMessage). */
export function proofIsRight(storedKey: Uint8Array, message: string, proof: Uint8Array): boolean {
  if (proof.length !== storedKey.length) return false
  const signature = hmac(storedKey, message)
  const clientKey = proof.map((byte, index) => byte ^ (signature[index] ?? 0))
  return timingSafeEqual(sha256(clientKey), storedKey)
}

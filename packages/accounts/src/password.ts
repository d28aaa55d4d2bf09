// Passwords as PHC strings (argon2id, RFC 9106). Hashing is native and off the main thread, and bounded in number:
// each one takes 19 MiB, so that a flood of log-ins costs waiting, not memory.
import { hash, verify } from '@node-rs/argon2'
import { SkeinError } from '@skein/runtime'
import { accountLimits } from './limits.ts'

// @node-rs/argon2 declares Algorithm as a const enum, which type stripping can't read: 2 is Argon2id.
const argon2id = { algorithm: 2, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 } as const

let running = 0
const waiting: (() => void)[] = []

async function inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
  if (running >= accountLimits.passwordHashesAtOnceMax) {
    if (waiting.length >= accountLimits.passwordHashesWaitingMax) {
      throw new SkeinError('too-many-logins', 'temporary', 'too many log-ins at once; try again in a moment')
    }
    await new Promise<void>((resolve) => waiting.push(resolve))
  } else {
    running += 1
  }
  try {
    return await task()
  } finally {
    const next = waiting.shift()
    if (next) next()
    else running -= 1
  }
}

/** @throws SkeinError `password-too-short`, `password-too-long` (refused) */
export function checkPasswordRules(password: string): void {
  if (Array.from(password).length < accountLimits.passwordCharactersMin) {
    throw new SkeinError(
      'password-too-short',
      'refused',
      `a password needs at least ${accountLimits.passwordCharactersMin} characters`,
    )
  }
  if (Buffer.byteLength(password) > accountLimits.passwordBytesMax) {
    throw new SkeinError(
      'password-too-long',
      'refused',
      `a password may have at most ${accountLimits.passwordBytesMax} bytes`,
    )
  }
}

/** A PHC string, e.g. `$argon2id$v=19$m=19456,t=2,p=1$…`. NFC first, so that keyboards agree (RFC 8265). */
export function hashPassword(password: string): Promise<string> {
  return inTurn(() => hash(password.normalize('NFC'), argon2id))
}

/** False for a wrong password, and for a stored text that is no PHC string. */
export async function verifyPassword(phc: string, password: string): Promise<boolean> {
  return inTurn(async () => {
    try {
      return await verify(phc, password.normalize('NFC'))
    } catch {
      return false
    }
  })
}

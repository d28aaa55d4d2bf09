// Accounts and mailboxes of users that live on this node.
import { type Account, accountLimits, createScramVerifier, hashPassword } from '@skein/accounts'
import type { AddedUser } from '@skein/replication'
import { systemRandom } from '@skein/runtime'

export interface NewAccountOptions {
  password?: string | undefined
  /** A PHC string, instead of a password. */
  passwordHash?: string | undefined
  role?: Account['role'] | undefined
  quotaBytes?: number | undefined
  displayName?: string | undefined
}

/** What is kept of a password: for those who tell it, and for those who prove that they know it (SCRAM). */
export async function credentialsOf(password: string): Promise<Pick<Account, 'passwordHash' | 'scram'>> {
  const passwordHash = await hashPassword(password)
  return { passwordHash, scram: await createScramVerifier(password, passwordHash, systemRandom.bytes(16)) }
}

export async function newAccount(added: AddedUser, options: NewAccountOptions, nowMs: number): Promise<Account> {
  return {
    id: added.accountId,
    address: added.address,
    displayName: options.displayName ?? '',
    role: options.role ?? 'user',
    ...(options.password === undefined
      ? { passwordHash: options.passwordHash ?? null }
      : await credentialsOf(options.password)),
    quotaBytes: options.quotaBytes ?? accountLimits.quotaBytesDefault,
    state: 'active',
    createdMs: nowMs,
  }
}

// Accounts and mailboxes of users that live on this node.
import { type Account, accountLimits, hashPassword } from '@skein/accounts'
import type { AddedUser } from '@skein/replication'

export interface NewAccountOptions {
  password?: string | undefined
  /** A PHC string, instead of a password. */
  passwordHash?: string | undefined
  role?: Account['role'] | undefined
  quotaBytes?: number | undefined
  displayName?: string | undefined
}

export async function newAccount(added: AddedUser, options: NewAccountOptions, nowMs: number): Promise<Account> {
  return {
    id: added.accountId,
    address: added.address,
    displayName: options.displayName ?? '',
    role: options.role ?? 'user',
    passwordHash:
      options.password === undefined ? (options.passwordHash ?? null) : await hashPassword(options.password),
    quotaBytes: options.quotaBytes ?? accountLimits.quotaBytesDefault,
    state: 'active',
    createdMs: nowMs,
  }
}

// Which accounts on this node may administer the mesh: for postmaster's mail and for notices. Read once in the background, then kept up.
import type { Account, AccountStore } from '@skein/accounts'

export interface Administrators {
  /** Addresses, oldest account first. */
  list(): string[]
  changed(account: Account): void
  removed(accountId: string): void
}

export function createAdministrators(accounts: AccountStore): Administrators & { read(): Promise<void> } {
  const found = new Map<string, Account>()
  const changed = (account: Account) => {
    if (account.role === 'admin' && account.state === 'active') found.set(account.id, account)
    else found.delete(account.id)
  }
  return {
    async read() {
      for await (const account of accounts.list()) changed(account)
    },
    list: () => [...found.values()].sort((a, b) => a.createdMs - b.createdMs).map((account) => account.address),
    changed,
    removed: (accountId) => void found.delete(accountId),
  }
}

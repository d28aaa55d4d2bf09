// Who may administer the mesh: for the mail of its roles (postmaster, abuse) and for notices. This node's own are read from its
// accounts once, in the background, then kept up; each node says its own in its document, so that all know all.
import type { Account, AccountStore, Directory } from '@skein/accounts'
import type { Ledger } from '@skein/replication'
import type { Logger } from '@skein/runtime'

export interface Administrators {
  /** Addresses of this node's own, oldest account first. */
  list(): string[]
  changed(account: Account): void
  removed(accountId: string): void
}

/** @param onChange the list may be another one now */
export function createAdministrators(
  accounts: AccountStore,
  onChange: () => void = () => {},
): Administrators & { read(): Promise<void> } {
  const found = new Map<string, Account>()
  const take = (account: Account) => {
    if (account.role === 'admin' && account.state === 'active') found.set(account.id, account)
    else found.delete(account.id)
  }
  return {
    async read() {
      for await (const account of accounts.list()) take(account)
      onChange()
    },
    list: () => [...found.values()].sort((a, b) => a.createdMs - b.createdMs).map((account) => account.address),
    changed(account) {
      take(account)
      onChange()
    },
    removed(accountId) {
      if (found.delete(accountId)) onChange()
    },
  }
}

/** Those of this node first. Another node is believed about users whom it homes, and about nobody else. */
export function allAdministrators(directory: Directory, own: readonly string[]): string[] {
  const others = directory
    .nodes()
    .filter(({ id }) => id !== directory.self)
    .flatMap(({ id, administrators = [] }) => administrators.filter((it) => directory.lookup(it)?.home === id))
  return [...new Set([...own, ...others])]
}

const saidMax = 64

/** Says this node's own to the others, where they are not the ones that it said before. */
export function announceAdministrators(ledger: Ledger, own: readonly string[], logger: Logger): void {
  const administrators = own.slice(0, saidMax)
  if (administrators.join() === (ledger.directory.node(ledger.self)?.administrators ?? []).join()) return
  ledger.setSelf({ administrators }).catch((error: unknown) => {
    logger.warn({ error: String(error) }, 'who administers here could not be told to the other nodes')
  })
}

// Mailboxes that come into being when they are first opened: adding a user writes two records, however many users come at once.
import { type AccountStore, type Directory, accountLimits } from '@skein/accounts'
import type { Mailboxes } from '@skein/mailboxes'
import { isErrorCode } from '@skein/runtime'

/** `mailboxes`, where an account that is at home here and has no mailboxes yet gets them at `open`. */
export function createHomeMailboxes(mailboxes: Mailboxes, accounts: AccountStore, directory: Directory): Mailboxes {
  return {
    createAccount: (accountId, options) => mailboxes.createAccount(accountId, options),
    deleteAccount: (accountId) => mailboxes.deleteAccount(accountId),
    close: () => mailboxes.close(),
    serverAnnotations: () => mailboxes.serverAnnotations(),
    setServerAnnotations: (changes, options) => mailboxes.setServerAnnotations(changes, options),
    onServerAnnotations: (listener) => mailboxes.onServerAnnotations(listener),
    // What is shared can be used where its owner is at home.
    async sharersWith(accountId) {
      const owners = await mailboxes.sharersWith(accountId)
      return owners.filter((owner) => directory.byAccountId(owner)?.home === directory.self)
    },
    openShared: (owner, user) => mailboxes.openShared(owner, user),
    async open(accountId) {
      try {
        return await mailboxes.open(accountId)
      } catch (error) {
        const entry = directory.byAccountId(accountId)
        if (!isErrorCode(error, 'no-such-account') || entry?.home !== directory.self) throw error
        const account = await accounts.get(accountId)
        const quotaBytes = account?.quotaBytes ?? accountLimits.quotaBytesDefault
        await mailboxes.createAccount(accountId, { quotaBytes, epoch: entry.epoch })
        return mailboxes.open(accountId)
      }
    },
  }
}

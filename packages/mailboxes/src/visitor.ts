// Somebody who works in an account that is not theirs, held to the rights that the owner gave (RFC 4314 §4).
// A mailbox without the `l` right is to them as if it did not exist.
import type { AccountId } from '@skein/accounts'
import { failures } from './failures.ts'
import type { MailboxRecord } from './ports.ts'
import { rightsOf, type Rights } from './rights.ts'

export class Visitor {
  readonly user: AccountId

  constructor(user: AccountId) {
    this.user = user
  }

  rights(record: Pick<MailboxRecord, 'acl'> | undefined): Rights {
    return rightsOf(record?.acl, this.user)
  }

  sees(record: Pick<MailboxRecord, 'acl'> | undefined): boolean {
    return this.rights(record).includes('l')
  }
}

/**
 * Asks at the moment of the change, not before.
 * @param needed rights of which all are needed
 * @throws SkeinError `no-such-mailbox` where the visitor may not even know of it, else `not-permitted`
 */
export function demand(record: Pick<MailboxRecord, 'acl'> | undefined, visitor: Visitor, needed: string): void {
  const rights = visitor.rights(record)
  if (!rights.includes('l')) throw failures.noSuchMailbox()
  for (const right of needed) if (!rights.includes(right)) throw failures.notPermitted()
}

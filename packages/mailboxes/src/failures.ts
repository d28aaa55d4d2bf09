// The refusals of this package, each made in one place. Their codes are listed in docs/operating/errors.md.
import { SkeinError } from '@skein/runtime'

export const failures = {
  noSuchAccount: () => new SkeinError('no-such-account', 'refused', 'there is no such account here'),
  noSuchMailbox: () => new SkeinError('no-such-mailbox', 'refused', 'there is no such mailbox'),
  mailboxExists: () => new SkeinError('mailbox-exists', 'refused', 'a mailbox of that name exists already'),
  nameInvalid: (why: string) => new SkeinError('mailbox-name-invalid', 'refused', `the mailbox name ${why}`),
  tooManyMailboxes: () => new SkeinError('too-many-mailboxes', 'refused', 'the account has too many mailboxes'),
  hasChildren: () => new SkeinError('mailbox-has-children', 'refused', 'the mailbox has mailboxes below it'),
  undeletable: () => new SkeinError('mailbox-undeletable', 'refused', 'INBOX can not be deleted'),
  overQuota: () => new SkeinError('over-quota', 'refused', 'the mailbox is full: its quota is used up'),
  tooManyKeywords: () => new SkeinError('too-many-keywords', 'refused', 'the mailbox has too many different keywords'),
  flagInvalid: (flag: string) =>
    new SkeinError('flag-invalid', 'refused', `${JSON.stringify(flag.slice(0, 64))} is not a flag that can be set`),
  mailboxFull: () => new SkeinError('mailbox-full', 'permanent', 'the mailbox has used up its message numbers'),
  closed: () => new SkeinError('store-closed', 'temporary', 'the mailboxes are closed'),
} as const

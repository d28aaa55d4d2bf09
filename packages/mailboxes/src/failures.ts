// The refusals of this package, each made in one place. Their codes are listed in docs/operating/errors.md.
import { SkeinError } from '@skein/runtime'

const overQuotaTexts = {
  bytes: 'the mailbox is full: its quota is used up',
  messages: 'the account has as many messages as its quota allows',
  mailboxes: 'the account has as many mailboxes as its quota allows',
} as const

export const failures = {
  noSuchAccount: () => new SkeinError('no-such-account', 'refused', 'there is no such account here'),
  noSuchMailbox: () => new SkeinError('no-such-mailbox', 'refused', 'there is no such mailbox'),
  mailboxExists: () => new SkeinError('mailbox-exists', 'refused', 'a mailbox of that name exists already'),
  nameInvalid: (why: string) => new SkeinError('mailbox-name-invalid', 'refused', `the mailbox name ${why}`),
  tooManyMailboxes: () => new SkeinError('too-many-mailboxes', 'refused', 'the account has too many mailboxes'),
  tooManySubscriptions: () =>
    new SkeinError('too-many-subscriptions', 'refused', 'too many names without a mailbox are subscribed'),
  hasChildren: () => new SkeinError('mailbox-has-children', 'refused', 'the mailbox has mailboxes below it'),
  undeletable: () => new SkeinError('mailbox-undeletable', 'refused', 'INBOX can not be deleted'),
  /** @param what bytes, messages or mailboxes: the resource that is used up */
  overQuota: (what: 'bytes' | 'messages' | 'mailboxes') =>
    new SkeinError('over-quota', 'refused', overQuotaTexts[what]),
  notPermitted: () => new SkeinError('not-permitted', 'refused', 'the rights on the mailbox do not allow that'),
  noSuchMessage: () => new SkeinError('no-such-message', 'refused', 'the message is gone'),
  tooManyAclEntries: () => new SkeinError('too-many-acl-entries', 'refused', 'the mailbox is shared with too many'),
  tooManyAnnotations: () => new SkeinError('too-many-annotations', 'refused', 'there are too many annotations'),
  annotationTooBig: () => new SkeinError('annotation-too-big', 'refused', 'the value of the annotation is too big'),
  annotationInvalid: () => new SkeinError('annotation-invalid', 'refused', 'that is no name for an annotation'),
  tooManyKeywords: () => new SkeinError('too-many-keywords', 'refused', 'the mailbox has too many different keywords'),
  flagInvalid: (flag: string) =>
    new SkeinError('flag-invalid', 'refused', `${JSON.stringify(flag.slice(0, 64))} is not a flag that can be set`),
  mailboxFull: () => new SkeinError('mailbox-full', 'permanent', 'the mailbox has used up its message numbers'),
  closed: () => new SkeinError('store-closed', 'temporary', 'the mailboxes are closed'),
} as const

// Where a connection stands (RFC 9051 §3): a tagged union and the only ways from one state to the next.
import type { Role } from '@skein/accounts'
import type { AccountMailboxes } from '@skein/mailboxes'
import { assert } from '@skein/runtime'
import type { MailboxView } from './view.ts'

export interface OpenAccount {
  mailboxes: AccountMailboxes
  /** Canonical address of whoever is logged in. */
  address: string
  role?: Role
  /** Accounts that share something, as they were opened, by owner. */
  others?: Map<string, AccountMailboxes>
}

/** Lets go of everything that a session has open. */
export async function closeAccount(account: OpenAccount): Promise<void> {
  for (const other of account.others?.values() ?? []) await other[Symbol.asyncDispose]()
  account.others?.clear()
  await account.mailboxes[Symbol.asyncDispose]()
}

export type SessionState =
  | { kind: 'not-authenticated' }
  | { kind: 'authenticated'; account: OpenAccount }
  /** `mailboxes` holds the selected mailbox: of the account itself, or of somebody who shares it. */
  | { kind: 'selected'; account: OpenAccount; mailboxes: AccountMailboxes; view: MailboxView }
  | { kind: 'logged-out' }

export type StateName = SessionState['kind']

export type SessionEvent =
  | { kind: 'logged-in'; account: OpenAccount }
  | { kind: 'selected'; mailboxes: AccountMailboxes; view: MailboxView }
  | { kind: 'deselected' }
  /** UNAUTHENTICATE (RFC 8437). */
  | { kind: 'unauthenticated' }
  | { kind: 'logged-out' }

export function nextState(state: SessionState, event: SessionEvent): SessionState {
  if (event.kind === 'logged-out') return { kind: 'logged-out' }
  if (event.kind === 'logged-in') {
    assert(state.kind === 'not-authenticated', 'a login happens once')
    return { kind: 'authenticated', account: event.account }
  }
  assert(state.kind === 'authenticated' || state.kind === 'selected', 'a mailbox belongs to an account')
  if (event.kind === 'unauthenticated') return { kind: 'not-authenticated' }
  if (event.kind === 'selected') {
    return { kind: 'selected', account: state.account, mailboxes: event.mailboxes, view: event.view }
  }
  return { kind: 'authenticated', account: state.account }
}

/** Nothing switched on yet. */
export function nothingEnabled(): Enabled {
  return { condstore: false, qresync: false, utf8: false, rev2: false, uidOnly: false }
}

/** What ENABLE has switched on (RFC 5161): switched off again by UNAUTHENTICATE only. */
export interface Enabled {
  condstore: boolean
  qresync: boolean
  /** UTF-8 in mailbox names and quoted strings: UTF8=ACCEPT or IMAP4rev2. */
  utf8: boolean
  /** IMAP4rev2 (RFC 9051). */
  rev2: boolean
  /** No sequence numbers either way (RFC 9586). */
  uidOnly: boolean
}

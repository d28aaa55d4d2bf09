// What a command is: a value that says its name, the states it is legal in, how to read it and what to do.
import type { AccountMailboxes, BlobWriter, Mailboxes, MessageLog, TextIndex } from '@skein/mailboxes'
import type { Authenticator, Directory, SaslFacts, SessionCarrier } from '@skein/accounts'
import type { Clock, Logger, Random } from '@skein/runtime'
import { assert } from '@skein/runtime'
import type { Elsewhere } from '../carried-away.ts'
import type { AnswerCache } from '../fetch/answer-cache.ts'
import type { ImapLimits } from '../limits.ts'
import type { News } from '../news.ts'
import type { Output } from '../output.ts'
import type { Progress } from '../progress.ts'
import type { Reply } from '../replies.ts'
import type { Enabled, OpenAccount, SessionEvent, SessionState, StateName } from '../session.ts'
import type { WordCache } from '../sort/message-words.ts'
import type { MailboxView } from '../view.ts'
import type { Cursor } from '../wire/cursor.ts'
import type { LiteralAnnouncement } from '../wire/literal.ts'
import type { SequenceSet } from '../wire/sequence-set.ts'

export interface ImapServices {
  mailboxes: Mailboxes
  log: MessageLog
  authenticator: Authenticator
  /** Without it, people log in at their home only. */
  carrier?: SessionCarrier
  /** Leads from addresses to accounts; without it nobody shares anything. */
  directory?: Pick<Directory, 'self' | 'lookup' | 'byAccountId'>
  /** Makes searches for text quick; without it every message is looked at. */
  textIndex?: TextIndex
  clock: Clock
  random: Random
  logger: Logger
}

/** One connection as its commands see it. */
export interface Context {
  readonly services: ImapServices
  readonly limits: ImapLimits
  readonly answerCache: AnswerCache
  readonly wordCache: WordCache
  readonly product: { name: string; version: string }
  readonly out: Output
  readonly news: News
  /** Tells how far a long command is. */
  readonly progress: Progress
  readonly remoteAddress: string
  /** Under TLS. */
  readonly secure: boolean
  /** Passwords may be told: under TLS or from this machine. */
  readonly loginAllowed: boolean
  readonly state: SessionState
  readonly enabled: Enabled
  /** Tag of the command that runs. */
  readonly tag: string
  /** By this the account tells our own changes from others'. */
  readonly origin: unknown
  advance(event: SessionEvent): void
  capabilities(): string
  /** What a SASL mechanism may know of this connection. */
  saslFacts(): SaslFacts
  /** Says `+ text` and resolves with the client's next line; undefined where it was too long. @throws ConnectionGone */
  ask(text: string): Promise<string | undefined>
  /** Says all news of the selected mailbox that may be said now. */
  announce(expunges: boolean): Promise<void>
  /** Announces news as they come until the client sends a line; returns that line. @throws ConnectionGone */
  watch(): Promise<string>
  /** Hands the connection over to the account's home, which gives the answer; where that can't be, the answer is given here. */
  goElsewhere(outcome: Elsewhere): Promise<Reply>
  /** Ends the connection with BYE after the running command. */
  leave(text: string): void
  /** Everything is deflated already (RFC 4978). */
  readonly compressed: boolean
  /** UNAUTHENTICATE is to be had on this connection (RFC 8437). */
  readonly mayUnauthenticate: boolean
  /**
   * After the command's tagged answer the connection is deflated, or that of a stranger who deflates nothing.
   * @returns false where deflating is impossible, as the client did not wait
   */
  changeLayer(to: 'deflate' | 'stranger'): boolean
  /** Why TLS cannot start now, if it cannot. */
  tlsObstacle(): string | undefined
  /** After the command's tagged answer the connection goes over to TLS. */
  startTlsAfterReply(): void
}

/** Takes the messages of a command straight to the message log. */
export interface LiteralIntake {
  /**
   * Decides on the literal that was announced at the end of `soFar` (the cursor stands after the command's name).
   * @returns a writer, 'hold' for a short argument, or a Reply that refuses the whole command
   */
  accept(soFar: Cursor, announcement: LiteralAnnouncement): BlobWriter | 'hold' | Reply
}

export interface Command<Args = unknown> {
  readonly name: string
  readonly states: readonly StateName[]
  /** Sequence numbers stay as they are until after this command (RFC 9051 §7.5.1): FETCH, STORE, SEARCH. */
  readonly keepsNumbers?: true
  /** A missing mailbox is the destination: the client may create it and try again. */
  readonly hasDestination?: true
  /** The cursor stands after the command's name. */
  parse(cursor: Cursor): Args
  run(context: Context, args: Args): Promise<Reply>
  intake?(context: Context): LiteralIntake
}

/** Keeps the argument type between `parse` and `run`; the table forgets it. */
export function command<Args>(definition: Command<Args>): Command {
  return definition
}

export const anyState: readonly StateName[] = ['not-authenticated', 'authenticated', 'selected']
export const loggedIn: readonly StateName[] = ['authenticated', 'selected']
export const selected: readonly StateName[] = ['selected']

/** For commands without arguments. */
export function nothing(): undefined {
  return undefined
}

export function accountOf(context: Context): OpenAccount {
  const state = context.state
  assert(state.kind === 'authenticated' || state.kind === 'selected', 'the command table checks the state')
  return state.account
}

/** The selected mailbox and the account that holds it, which may be another one than the session's own. */
export function selectedOf(context: Context): { mailboxes: AccountMailboxes; view: MailboxView } {
  const state = context.state
  assert(state.kind === 'selected', 'the command table checks the state')
  return { mailboxes: state.mailboxes, view: state.view }
}

/** ` mailbox` */
export function parseMailbox(cursor: Cursor): string {
  cursor.space()
  return cursor.mailbox()
}

/** ` set` */
export function parseSet(cursor: Cursor): SequenceSet {
  cursor.space()
  return cursor.sequenceSet()
}

/** Whether a command names messages by sequence number or by UID. */
export type Numbering = 'sequence' | 'uid'

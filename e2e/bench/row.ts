// What a row of the bench is: what it measures, its unit and its goal, and whom it can be asked.
import type { MailboxTarget, Target } from './targets.ts'

export interface Measure {
  name: string
  unit: string
  value: number
  /** Whether more is better; ratios are always "how many times better than the peer". */
  better: 'more' | 'less'
  goal?: Goal
}

/** A multiple of the peer's value, or a value of its own. */
export type Goal = { timesPeer: number } | { value: number }

export interface RowContext {
  seconds: number
}

/** Run against any target: these are the rows that a peer can be asked too. */
export interface TargetRow {
  kind: 'target'
  name: string
  run(target: Target, context: RowContext): Promise<Measure[]>
}

/** Starts nodes of its own. */
export interface OwnRow {
  kind: 'own'
  name: string
  run(context: RowContext): Promise<Measure[]>
}

/** Mailbox work: Dovecot alone can be asked it too. */
export interface MailboxRow {
  kind: 'mailbox'
  name: string
  run(target: MailboxTarget, context: RowContext): Promise<Measure[]>
}

export type Row = TargetRow | OwnRow | MailboxRow

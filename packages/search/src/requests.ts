// What the node's thread and the search worker say to each other.
import type { RankedMessage, TextFindings, TextQuery } from '@skein/mailboxes'
import type { MailboxStanding } from './account-index.ts'

export interface GivenLetter {
  uid: number
  /** Null: one that can't be read, or that ended a worker. */
  bytes: Uint8Array | null
}

export type SearchRequest =
  | { kind: 'standing'; account: string }
  | {
      kind: 'add'
      account: string
      mailbox: string
      uidValidity: number
      letters: GivenLetter[]
      /** What the index must cover already: else something was lost on the way. */
      after: number
      coveredUid: number
    }
  | { kind: 'remove'; account: string; mailbox: string; uids: number[] }
  | { kind: 'keep'; account: string; mailbox: string; uids: Uint32Array }
  | { kind: 'keep-mailboxes'; account: string; mailboxes: string[] }
  | { kind: 'flush'; account: string }
  | { kind: 'forget'; account: string }
  | { kind: 'find'; account: string; mailbox: string; queries: TextQuery[] }
  | { kind: 'examine'; letters: Uint8Array[]; queries: TextQuery[] }
  | { kind: 'rank'; account: string; mailbox: string; words: string; limit: number }

export interface SearchAnswers {
  standing: MailboxStanding[]
  add: void
  remove: void
  /** Messages of the mailbox that are left in the index. */
  keep: number
  'keep-mailboxes': void
  flush: void
  forget: void
  /** Undefined: that mailbox is not in the index. */
  find: TextFindings | undefined
  /** By letter, then by query. */
  examine: boolean[][]
  rank: RankedMessage[] | undefined
}

export type SearchMessage = SearchRequest & { id: number }

/** `damaged`: the account's index was thrown away. */
export type SearchReply =
  | { id: number; ok: true; value: unknown }
  | { id: number; ok: false; damaged: boolean; message: string }

// What the node and a verifying thread say to each other.
import type { ArcCheck, CheckedLetter, SigningKey } from '@skein/filtering'

export type QuestionType = 'A' | 'AAAA' | 'MX' | 'PTR' | 'TXT'

interface Letter {
  job: number
  /** The whole letter, where it is small; else pieces follow. */
  body: Uint8Array | null
}

export interface VerifyRequest extends Letter {
  kind: 'verify'
  remoteAddress: string
  helo: string
  from: string
  hostName: string
  nowMs: number
}

export interface SignRequest extends Letter {
  kind: 'sign'
  domain: string
  keys: readonly SigningKey[]
  atMs: number
}

export interface SealRequest extends Letter {
  kind: 'seal'
  domain: string
  key: SigningKey
  results: string
  chain: ArcCheck['result']
  atMs: number
}

export type LetterRequest = VerifyRequest | SignRequest | SealRequest

export type ToWorker =
  | LetterRequest
  /** Null: the letter is whole. */
  | { kind: 'piece'; job: number; bytes: Uint8Array | null }
  /** Nobody waits for it any more. */
  | { kind: 'forget'; job: number }
  | { kind: 'answer'; question: number; answer: DnsAnswer }

/** As node:dns gives them, or its error codes: what mailauth understands. */
export type DnsAnswer = { records: unknown[] } | { code: 'ENOTFOUND' | 'ENODATA' | 'ESERVFAIL' | 'ETIMEOUT' }

export type FromWorker =
  | { kind: 'done'; job: number; value: CheckedLetter | string }
  | { kind: 'failed'; job: number; message: string }
  /** The last piece is used up. */
  | { kind: 'more'; job: number }
  | { kind: 'question'; question: number; type: QuestionType; name: string }
  /** While there are letters: this thread is not stuck. */
  | { kind: 'alive' }

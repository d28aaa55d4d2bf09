// ENVELOPE, BODYSTRUCTURE and their like as they were written last time: a message's never change, so that listing a
// mailbox again costs neither a read nor a parse. Bounded; what was not asked for in a while goes first.
import type { IndexItem } from './fetch-item.ts'

/** Items of one message by name, as written. */
type Texts = Partial<Record<IndexItem, string>>

interface Generation {
  bytes: number
  accounts: Map<string, Map<string, Texts>>
}

/** About what an entry costs beside its text. */
const ENTRY_BYTES = 120

/** Texts of one account, in one of the two ways to write them (with UTF-8 in quoted strings, or without). */
export interface AccountAnswers {
  get(emailId: string, item: IndexItem): string | undefined
  put(emailId: string, item: IndexItem, text: string): void
}

export class AnswerCache {
  readonly #bytesMax: number
  /** What is used moves to the new generation; when that is full, the old one is dropped. */
  #young: Generation = { bytes: 0, accounts: new Map() }
  #old: Generation = { bytes: 0, accounts: new Map() }

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  of(accountId: string, utf8: boolean): AccountAnswers {
    const account = utf8 ? `${accountId}+` : accountId
    return {
      get: (emailId, item) => {
        const text = this.#young.accounts.get(account)?.get(emailId)?.[item]
        if (text !== undefined) return text
        const older = this.#old.accounts.get(account)?.get(emailId)?.[item]
        if (older !== undefined) this.#put(account, emailId, item, older)
        return older
      },
      put: (emailId, item, text) => this.#put(account, emailId, item, text),
    }
  }

  #put(account: string, emailId: string, item: IndexItem, text: string): void {
    if (text.length + ENTRY_BYTES > this.#bytesMax / 2) return
    if (this.#young.bytes + text.length + ENTRY_BYTES > this.#bytesMax / 2) {
      this.#old = this.#young
      this.#young = { bytes: 0, accounts: new Map() }
    }
    let messages = this.#young.accounts.get(account)
    if (messages === undefined) this.#young.accounts.set(account, (messages = new Map()))
    const texts = messages.get(emailId)
    if (texts === undefined) messages.set(emailId, { [item]: text })
    else texts[item] = text
    this.#young.bytes += text.length + ENTRY_BYTES
  }
}

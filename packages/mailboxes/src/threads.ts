// Which messages belong together: those that name each other by Message-ID in References or In-Reply-To
// (RFC 8621 §3; the subject is not asked, so a thread never falls apart over an edited one).
import { hash } from 'node:crypto'
import type { MessageIndex } from '@skein/mail'
import { mailboxMemoryLimits } from './limits.ts'

/** 64 bits of a hash: a stranger who made two Message-IDs meet would only join two threads. */
function keyOf(messageId: string): string {
  return hash('sha256', messageId, 'hex').slice(0, 16)
}

/** Header form `<id>` or bare. */
function bare(messageId: string): string {
  const text = messageId.trim()
  return text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text
}

/** Keys to look for, the message's own first, then what it refers to, newest first. */
export function threadKeys(index: MessageIndex): string[] {
  const own = index.envelope.messageId === null ? '' : bare(index.envelope.messageId)
  const referenced = index.references.slice(-mailboxMemoryLimits.threadReferencesMax).reverse()
  return [...new Set([own, ...referenced])].filter((id) => id !== '').map(keyOf)
}

/** Threads of the latest messages, those whose commits are still under way among them. */
export class RecentThreads {
  readonly #threads = new Map<string, string>()

  get(key: string): string | undefined {
    return this.#threads.get(key)
  }

  set(key: string, threadId: string): void {
    this.#threads.set(key, threadId)
    if (this.#threads.size <= mailboxMemoryLimits.recentThreadsMax) return
    const [oldest] = this.#threads.keys()
    if (oldest !== undefined) this.#threads.delete(oldest)
  }

  clear(): void {
    this.#threads.clear()
  }
}

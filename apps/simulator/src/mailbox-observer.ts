// Looks into mailboxes as a mail program does, and remembers: a UID never names another message, new messages get higher
// UIDs and MODSEQs than any seen, and what was seen stays.
import type { Mailboxes } from '@skein/mailboxes'

interface Seen {
  uidValidity: number
  uidMax: number
  modseqMax: number
  /** UID -> EMAILID */
  messages: Map<number, string>
}

export class MailboxObserver {
  readonly #seen = new Map<string, Seen>()
  readonly #complain: (what: string) => void

  constructor(complain: (what: string) => void) {
    this.#complain = complain
  }

  /** Nobody expunges in a simulation, so every message seen must still be there. */
  async look(mailboxes: Mailboxes, accountId: string): Promise<void> {
    await using account = await mailboxes.open(accountId)
    for (const { id } of account.list()) {
      const messages = await account.messages(id)
      // Both as they stand now: the list may have been loading for a while.
      const mailbox = account.byId(id)
      if (!mailbox) continue
      const key = `${accountId} ${mailbox.name}`
      const before = this.#seen.get(key)
      const now: Seen = {
        uidValidity: mailbox.uidValidity,
        uidMax: before?.uidMax ?? 0,
        modseqMax: mailbox.highestModseq,
        messages: new Map(messages.map((message) => [message.uid, message.emailId])),
      }
      if (before && before.uidValidity !== now.uidValidity) this.#complain(`${key}: UIDVALIDITY changed`)
      if (before && before.modseqMax > now.modseqMax) {
        this.#complain(`${key}: HIGHESTMODSEQ fell from ${before.modseqMax} to ${now.modseqMax}`)
      }
      for (const { uid, emailId, modseq } of messages) {
        const known = before?.messages.get(uid)
        if (known !== undefined && known !== emailId) this.#complain(`${key}: UID ${uid} names another message`)
        if (known === undefined && before && uid <= before.uidMax) {
          this.#complain(`${key}: a new message has UID ${uid}, not above ${before.uidMax}`)
        }
        if (modseq > mailbox.highestModseq) this.#complain(`${key}: UID ${uid} has a MODSEQ above the mailbox's`)
        now.uidMax = Math.max(now.uidMax, uid)
      }
      for (const uid of before?.messages.keys() ?? []) {
        if (!now.messages.has(uid)) this.#complain(`${key}: UID ${uid} is gone`)
      }
      this.#seen.set(key, now)
    }
  }
}

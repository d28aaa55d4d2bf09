// What somebody holds of another one's account: the mailboxes that are shared with them, each as they see it.
// Promises: nothing of a mailbox without the `l` right can be told from one that does not exist; every change is held to
// the rights as they are at the moment of the change.
import type { Account } from './account.ts'
import { AccountHandle } from './account-handle.ts'
import type { AccountChange, MailboxId, MailboxRecord, MessageRecord } from './ports.ts'
import type { Rights } from './rights.ts'
import { mailboxRead, translatedEntry } from './shared-change.ts'
import { Visitor, demand } from './visitor.ts'

export class SharedHandle extends AccountHandle {
  readonly #account: Account
  readonly #visitor: Visitor

  constructor(account: Account, user: string, onClose: () => void) {
    const visitor = new Visitor(user)
    super(account, onClose, visitor)
    this.#account = account
    this.#visitor = visitor
  }

  override list(): readonly Readonly<MailboxRecord>[] {
    return super.list().flatMap((record) => this.#read(record) ?? [])
  }

  override byName(name: string): Readonly<MailboxRecord> | undefined {
    return this.#read(super.byName(name))
  }

  override byId(id: MailboxId): Readonly<MailboxRecord> | undefined {
    return this.#read(super.byId(id))
  }

  override rights(mailbox: MailboxId): Rights {
    return this.#visitor.rights(this.#account.table.get(mailbox))
  }

  #read(record: Readonly<MailboxRecord> | undefined): MailboxRecord | undefined {
    if (!record || !this.#visitor.sees(record)) return undefined
    return mailboxRead(record, this.#account.readers.get(record.id, this.#visitor.user))
  }

  override async messages(mailbox: MailboxId): Promise<readonly MessageRecord[]> {
    demand(this.#account.table.get(mailbox), this.#visitor, 'r')
    return this.#account.messagesReadBy(mailbox, this.#visitor.user)
  }

  override messagesNow(mailbox: MailboxId): readonly MessageRecord[] | undefined {
    if (!this.rights(mailbox).includes('r')) return undefined
    return this.#account.messagesReadNow(mailbox, this.#visitor.user)
  }

  override async vanished(mailbox: MailboxId, sinceModseq: number): Promise<readonly number[] | undefined> {
    demand(this.#account.table.get(mailbox), this.#visitor, 'r')
    return super.vanished(mailbox, sinceModseq)
  }

  override onChange(listener: (change: AccountChange) => void): () => void {
    return super.onChange(({ entry, origin }) => {
      const translated = translatedEntry(this.#account, entry, this.#visitor.user)
      if (translated.ops.length > 0) listener({ entry: translated, origin })
    })
  }
}

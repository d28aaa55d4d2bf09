// The mailboxes of one account by id and by name. Records in it are never changed, only replaced.
import { compareNames } from './mailbox-name.ts'
import type { MailboxId, MailboxRecord } from './ports.ts'

export class MailboxTable {
  readonly #byId = new Map<MailboxId, MailboxRecord>()
  readonly #byName = new Map<string, MailboxId>()
  /** Ids in the order of names; null when a name has changed. */
  #order: MailboxId[] | null = null
  #sorted: readonly MailboxRecord[] | null = null

  constructor(records: Iterable<MailboxRecord> = []) {
    for (const record of records) this.set(record)
  }

  get size(): number {
    return this.#byId.size
  }

  get(id: MailboxId): MailboxRecord | undefined {
    return this.#byId.get(id)
  }

  /** @param name in canonical form */
  byName(name: string): MailboxRecord | undefined {
    const id = this.#byName.get(name)
    return id === undefined ? undefined : this.#byId.get(id)
  }

  set(record: MailboxRecord): void {
    const before = this.#byId.get(record.id)
    if (before?.name !== record.name) {
      this.#order = null
      if (before && this.#byName.get(before.name) === record.id) this.#byName.delete(before.name)
      this.#byName.set(record.name, record.id)
    }
    this.#byId.set(record.id, record)
    this.#sorted = null
  }

  delete(id: MailboxId): void {
    const before = this.#byId.get(id)
    if (!before) return
    this.#byId.delete(id)
    if (this.#byName.get(before.name) === id) this.#byName.delete(before.name)
    this.#order = null
    this.#sorted = null
  }

  /** INBOX first, then by name. */
  sorted(): readonly MailboxRecord[] {
    if (this.#sorted) return this.#sorted
    this.#order ??= [...this.#byId.values()].sort((a, b) => compareNames(a.name, b.name)).map((record) => record.id)
    this.#sorted = this.#order.map((id) => this.#byId.get(id) as MailboxRecord)
    return this.#sorted
  }
}

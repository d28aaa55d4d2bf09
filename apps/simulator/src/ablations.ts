// Rules that can be switched off, to see that the checkers notice: a simulator that passes without a rule proves nothing
// about it. Each one breaks a node in one place, through the same ports that the real parts fill.
import type { QueueItem, QueueStore } from '@skein/delivery'
import type { MailboxStore } from '@skein/mailboxes'
import { decodeCbor, encodeCbor, type Clock, type PeerLink } from '@skein/runtime'

export interface Ablation {
  /** The rule that is off. */
  what: string
  queue?(store: QueueStore): QueueStore
  mailboxes?(store: MailboxStore): MailboxStore
  clock?(clock: Clock): Clock
  /** `isOn`: the mesh has come into being, misfortune may begin. */
  link?(link: PeerLink, isOn: () => boolean): PeerLink
}

/** Resolves before the write is durable; what a crash takes then was promised already. */
function atOnce(write: Promise<void>): Promise<void> {
  write.catch(() => {})
  return Promise.resolve()
}

/** A store with some of its methods replaced; the others keep their own `this`. */
function replaced<Store extends object>(store: Store, methods: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      const replacement = methods[name as keyof Store]
      if (replacement !== undefined) return replacement
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

export const ablations = {
  'deduplication-off': {
    what: 'a mailbox puts in a delivery that it has had before',
    mailboxes: (store) => replaced(store, { hasDelivery: async () => false }),
  },
  'queue-fsync-off': {
    what: 'a letter is acknowledged before its queue record is durable',
    queue: (store) => replaced(store, { put: (item: QueueItem) => atOnce(store.put(item)) }),
  },
  'mailbox-fsync-off': {
    what: 'a delivery is acknowledged before the mailbox commit is durable',
    mailboxes: (store) =>
      replaced(store, {
        commit(commit) {
          const write = store.commit(commit)
          return commit.putMessages.length > 0 ? atOnce(write) : write
        },
      }),
  },
  'retry-off': {
    what: 'what could not be delivered at first is not tried again, except by chance',
    // Pauses of delivery begin at 0.8 s; the ledger has a clock of its own.
    clock: (clock) => ({
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (delayMs, callback) => clock.setTimer(delayMs >= 500 ? 1e9 : delayMs, callback),
    }),
    link: (link) => replaced(link, { onPeerChange: () => () => {} }),
  },
  'recovery-off': {
    what: 'the queue is not read at start',
    // oxlint-disable-next-line require-yield
    queue: (store) => replaced(store, { async *list() {} }),
  },
  'uid-rollback': {
    what: 'a mailbox gives out a UID twice after a restart',
    mailboxes: (store) =>
      replaced(store, {
        async loadState(accountId) {
          const found = await store.loadState(accountId)
          for (const mailbox of found?.mailboxes ?? []) mailbox.uidNext = Math.max(1, mailbox.uidNext - 1)
          return found
        },
      }),
  },
  'void-off': {
    what: 'a node sends what its owner has given to another meanwhile',
    link: (link) =>
      replaced(link, {
        handle: (service, handler) =>
          link.handle(service, async (from, bytes) => {
            const asks = service === 'relay' && (decodeCbor(bytes) as { t?: string }).t === 'ask'
            return asks ? encodeCbor({ t: 'word', word: 'go' }) : handler(from, bytes)
          }),
      }),
  },
  'outcome-unread': {
    what: 'a node takes note of what came of its letter, and forgets it',
    link: (link) =>
      replaced(link, {
        handle: (service, handler) =>
          link.handle(service, async (from, bytes) => {
            const tells = service === 'relay' && (decodeCbor(bytes) as { t?: string }).t === 'outcome'
            return tells ? encodeCbor({ t: 'noted' }) : handler(from, bytes)
          }),
      }),
  },
  'anti-entropy-off': {
    what: 'nodes do not tell each other what they know of the user list',
    link: (link, isOn) =>
      replaced(link, {
        handle: (service, handler) =>
          link.handle(service, (from, bytes) =>
            service === 'log' && isOn() ? new Promise(() => {}) : handler(from, bytes),
          ),
      }),
  },
} as const satisfies Record<string, Ablation>

export type AblationName = keyof typeof ablations

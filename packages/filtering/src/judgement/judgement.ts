// What all nodes of the mesh know of those who knock at any of them.
// Promises: each node speaks for itself only; what stands is the union of all members' words, so nodes that have heard each other
// judge alike; what one member says is bounded in number, length and time, and goes with it when it is evicted.
import { type Clock, type Logger, type NodeId, type PeerLink, type Timer, encodeCbor } from '@skein/runtime'
import { JudgementExchange } from './exchange.ts'
import { judgementKeepLimits, judgementLimits } from './limits.ts'
import { OwnWords } from './own-words.ts'
import type { JudgementStore, StoredRecord } from './ports.ts'
import { decodePush, type JudgementKind, type JudgementRecord } from './record.ts'
import { RecordBook } from './record-book.ts'

export interface JudgementComponents {
  store: JudgementStore
  link: PeerLink
  clock: Clock
  logger: Logger
  isMember(id: NodeId): boolean
}

export interface Judgement {
  readonly self: NodeId
  /** What this node itself has said. */
  own(kind: JudgementKind, key: string): JudgementRecord | undefined
  /** What members say, this node among them. Nothing that is over. */
  about(kind: JudgementKind, key: string): StoredRecord[]
  all(kind: JudgementKind): StoredRecord[]
  /** Whether anybody says anything of that kind: cheap. */
  knows(kind: JudgementKind): boolean
  /** Replaces what this node said before. Known here at once, at connected peers within a second, on disk a little later. */
  say(kind: JudgementKind, key: string, word: { values: readonly number[]; untilMs: number; note?: string }): void
  /** Drops what was said by nodes that are members no more. */
  membersChanged(): void
  stats(): { records: number; nodes: number }
  start(): Promise<void>
  /** Writes what is not written yet. */
  stop(): Promise<void>
}

interface Author {
  book: RecordBook
  /** Up to which number everything of its is known here. */
  heard: number
}

export function createJudgement(components: JudgementComponents): Judgement {
  const { store, link, clock, logger, isMember } = components
  const { self } = link
  const authors = new Map<NodeId, Author>([[self, { book: new RecordBook(), heard: 0 }]])
  const ownBook = (authors.get(self) as Author).book
  let ownWords = new OwnWords(ownBook)
  const unsaved = new Map<string, StoredRecord & { removed: boolean }>()
  const unsavedHeard = new Map<NodeId, number>()
  const forgotten = new Set<NodeId>()
  let saveTimer: Timer | undefined
  let sweepTimer: Timer | undefined
  let saving = Promise.resolve()
  let isStopped = false
  const exchange = new JudgementExchange({ link, clock, logger, words: () => ownWords })

  function author(id: NodeId): Author {
    let found = authors.get(id)
    if (!found) authors.set(id, (found = { book: new RecordBook(), heard: 0 }))
    return found
  }

  function note(id: NodeId, record: JudgementRecord, removed: boolean): void {
    unsaved.set(`${id}\n${record.kind}\n${record.key}`, { author: id, record, removed })
    if (!isStopped) saveTimer ??= clock.setTimer(judgementLimits.saveDelayMs, () => void save())
  }

  function keep(id: NodeId, record: JudgementRecord): boolean {
    const gone = author(id).book.put(record)
    if (!gone) return false
    for (const old of gone) note(id, old, true)
    note(id, record, false)
    return true
  }

  function save(): Promise<void> {
    saveTimer?.cancel()
    saveTimer = undefined
    if (unsaved.size === 0 && unsavedHeard.size === 0 && forgotten.size === 0) return saving
    const changed = [...unsaved.values()]
    const changes = {
      put: changed.filter(({ removed }) => !removed),
      remove: changed
        .filter(({ removed }) => removed)
        .map(({ author: id, record: { kind, key } }) => ({ author: id, kind, key })),
      heard: new Map(unsavedHeard),
      forget: [...forgotten],
    }
    unsaved.clear()
    unsavedHeard.clear()
    forgotten.clear()
    saving = saving
      .then(() => store.save(changes))
      .catch((error: unknown) => {
        logger.warn(
          { error: String(error) },
          'what is known of those who knock could not be saved; it is kept in memory',
        )
      })
    return saving
  }

  function sweep(): void {
    const now = clock.nowMs()
    for (const [id, { book }] of authors) for (const record of book.sweep(now)) note(id, record, true)
    sweepTimer = clock.setTimer(judgementLimits.sweepEveryMs, sweep)
  }

  function take(from: NodeId, payload: Uint8Array): Uint8Array {
    const now = clock.nowMs()
    const { after, upTo, records } = decodePush(payload, now)
    const { heard } = author(from)
    // With a gap before it, it waits until its author has told what is missing.
    if (after > heard) return encodeCbor({ have: heard })
    for (const record of records) if (record.untilMs > now) keep(from, record)
    if (upTo > heard) {
      author(from).heard = upTo
      unsavedHeard.set(from, upTo)
      saveTimer ??= clock.setTimer(judgementLimits.saveDelayMs, () => void save())
    }
    return encodeCbor({ have: author(from).heard })
  }

  link.handle('judge', async (from, payload) => take(from, payload))

  return {
    self,

    own: (kind, key) => {
      const record = ownBook.get(kind, key)
      return record && record.untilMs > clock.nowMs() ? record : undefined
    },

    about(kind, key) {
      const now = clock.nowMs()
      const found: StoredRecord[] = []
      for (const [id, { book }] of authors) {
        const record = book.get(kind, key)
        if (record && record.untilMs > now && (id === self || isMember(id))) found.push({ author: id, record })
      }
      return found
    },

    all(kind) {
      const now = clock.nowMs()
      const found: StoredRecord[] = []
      for (const [id, { book }] of authors) {
        if (id !== self && !isMember(id)) continue
        for (const record of book.all(kind)) if (record.untilMs > now) found.push({ author: id, record })
      }
      return found
    },

    knows(kind) {
      for (const { book } of authors.values()) if (book.sizeOf(kind) > 0) return true
      return false
    },

    say(kind, key, { values, untilMs, note: text = '' }) {
      const now = clock.nowMs()
      const record: JudgementRecord = {
        kind,
        key: key.slice(0, judgementLimits.keyCharactersMax),
        seq: ownWords.nextSeq(now),
        untilMs: Math.min(untilMs, now + judgementKeepLimits[`${kind}Ms`]),
        values,
        note: text.slice(0, judgementLimits.noteCharactersMax),
      }
      keep(self, record)
      ownWords.add(record)
      exchange.tellSoon()
    },

    membersChanged() {
      for (const id of authors.keys()) {
        if (id === self || isMember(id)) continue
        authors.delete(id)
        for (const [key, change] of unsaved) if (change.author === id) unsaved.delete(key)
        unsavedHeard.delete(id)
        forgotten.add(id)
        saveTimer ??= clock.setTimer(judgementLimits.saveDelayMs, () => void save())
      }
    },

    stats() {
      let records = 0
      for (const { book } of authors.values()) records += book.size
      return { records, nodes: authors.size }
    },

    async start() {
      const { records, heard } = await store.load(clock.nowMs())
      records.sort((a, b) => a.record.seq - b.record.seq)
      for (const { author: id, record } of records) {
        if (id === self || isMember(id)) author(id).book.put(record)
        else forgotten.add(id)
      }
      for (const [id, upTo] of heard) if (authors.has(id)) author(id).heard = upTo
      ownWords = new OwnWords(ownBook)
      exchange.start()
      sweep()
    },

    async stop() {
      isStopped = true
      exchange.stop()
      sweepTimer?.cancel()
      await save()
    },
  }
}

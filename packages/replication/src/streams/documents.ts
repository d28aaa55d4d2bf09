// The Yjs documents in memory: opened when they are needed, from snapshot and log, and let go again when too many entries are held.
// Every document is one map from text to bytes.
import * as Y from 'yjs'
import type { Random } from '@skein/runtime'
import type { LedgerStore, StreamName } from '../ports.ts'
import { readStoredUpdate } from './batch.ts'

/** The one document that many nodes write. */
export const sharedDocument = 'mesh'

export type Changes = Map<string, Uint8Array | undefined>

export class LedgerDocument {
  readonly doc: Y.Doc
  readonly #map: Y.Map<unknown>
  /** Entries, or somewhat more: counting them walks through the whole document. */
  #weight = 0

  constructor(clientId: number) {
    this.doc = new Y.Doc()
    this.doc.clientID = clientId
    this.#map = this.doc.getMap('m')
  }

  get weight(): number {
    return this.#weight
  }

  weigh(): void {
    this.#weight = this.#map.size
  }

  /** Undefined for what is not there, and for what is not bytes. */
  get(key: string): Uint8Array | undefined {
    const value = this.#map.get(key)
    return value instanceof Uint8Array ? value : undefined
  }

  *contents(): Iterable<[string, Uint8Array]> {
    for (const [key, value] of this.#map.entries()) if (value instanceof Uint8Array) yield [key, value]
  }

  /** Carries out `edit` as one transaction. @returns the update that others must apply, or undefined when nothing changed */
  write(edit: (map: { set(key: string, value: Uint8Array): void; delete(key: string): void }) => void): {
    update: Uint8Array | undefined
    changes: Changes
  } {
    let update: Uint8Array | undefined
    const changes = this.#watch(
      () => this.doc.transact(() => edit(this.#map)),
      (bytes) => {
        update = bytes
      },
    )
    return { update, changes }
  }

  /** @returns what changed, or undefined when the update held nothing new. @throws for bytes that are no update: this document is then spoilt */
  apply(update: Uint8Array): Changes | undefined {
    let news = false
    const changes = this.#watch(
      () => Y.applyUpdateV2(this.doc, update),
      () => {
        news = true
      },
    )
    return news ? changes : undefined
  }

  #watch(run: () => void, onUpdate: (bytes: Uint8Array) => void): Changes {
    const keys = new Set<string>()
    const observe = (event: Y.YMapEvent<unknown>) => {
      for (const key of event.keysChanged as Set<string>) keys.add(key)
    }
    this.#map.observe(observe)
    this.doc.on('updateV2', onUpdate)
    try {
      run()
    } finally {
      this.#map.unobserve(observe)
      this.doc.off('updateV2', onUpdate)
    }
    const changes: Changes = new Map()
    for (const key of keys) changes.set(key, this.get(key))
    this.#weight += keys.size
    return changes
  }

  destroy(): void {
    this.doc.destroy()
  }
}

/**
 * Builds a document from updates. One that can't be applied (its author wrote nonsense) is left out, the same way by every node.
 */
export function documentOf(updates: readonly Uint8Array[], clientId: number): LedgerDocument {
  const bad = new Set<number>()
  for (;;) {
    const document = new LedgerDocument(0)
    const failed = updates.findIndex((update, i) => {
      if (bad.has(i)) return false
      try {
        Y.applyUpdateV2(document.doc, update)
        return false
      } catch {
        return true
      }
    })
    if (failed < 0) {
      document.doc.clientID = clientId
      return document
    }
    bad.add(failed)
    document.destroy()
  }
}

/** One snapshot out of an older one and what followed: the same bytes wherever it is made from the same. */
export function condense(document: string, updates: readonly Uint8Array[]): Uint8Array {
  if (document === sharedDocument) {
    return updates.length === 1 ? (updates[0] as Uint8Array) : Y.mergeUpdatesV2([...updates])
  }
  const whole = documentOf(updates, 0)
  const snapshot = Y.encodeStateAsUpdateV2(whole.doc)
  whole.destroy()
  return snapshot
}

/** A stream, and the number above which its batches are not in its snapshot. */
export interface DocumentPart {
  stream: StreamName
  above: number
}

export class DocumentCache {
  readonly #store: LedgerStore
  readonly #random: Random
  readonly #entriesMax: number
  readonly #partsOf: (stream: StreamName) => readonly DocumentPart[]
  /** Oldest use first. */
  readonly #open = new Map<string, LedgerDocument>()
  #clientId: number

  /** @param partsOf the streams that make up the document: itself, or everybody's part of the shared one */
  constructor(
    components: { store: LedgerStore; random: Random },
    entriesMax: number,
    partsOf: (stream: StreamName) => readonly DocumentPart[],
  ) {
    this.#store = components.store
    this.#random = components.random
    this.#entriesMax = entriesMax
    this.#partsOf = partsOf
    this.#clientId = this.#newClientId()
  }

  /** Never used before: a client id that writes again from an older state diverges silently. */
  #newClientId(): number {
    return new DataView(Uint8Array.from(this.#random.bytes(4)).buffer).getUint32(0)
  }

  async open(stream: StreamName): Promise<LedgerDocument> {
    const key = keyOf(stream)
    const held = this.#open.get(key)
    if (held) {
      this.#open.delete(key)
      this.#open.set(key, held)
      this.#trim(key)
      return held
    }
    const updates: Uint8Array[] = []
    for (const part of this.#partsOf(stream)) updates.push(...(await this.updatesOf(part)))
    const document = documentOf(updates, this.#clientId)
    this.keep(stream, document)
    return document
  }

  /** Snapshot and log as they are stored. @param upTo leaves out batches with a higher number */
  async updatesOf({ stream, above }: DocumentPart, upTo = Number.POSITIVE_INFINITY): Promise<Uint8Array[]> {
    const snapshot = await this.#store.snapshot(stream)
    const updates = snapshot ? [snapshot] : []
    for await (const batch of this.#store.batches(stream, above)) {
      if (batch.seq <= upTo) updates.push(readStoredUpdate(batch.bytes))
    }
    return updates
  }

  /** Takes the place of what was open under that name. */
  keep(stream: StreamName, document: LedgerDocument): void {
    const key = keyOf(stream)
    document.doc.clientID = this.#clientId
    this.#open.delete(key)
    document.weigh()
    this.#open.set(key, document)
    this.#trim(key)
  }

  /** Lets go of what was not used for longest. Whoever still works with such a document keeps it until it is done. */
  #trim(inUse: string): void {
    let total = 0
    for (const { weight } of this.#open.values()) total += weight
    for (const [key, { weight }] of this.#open) {
      if (total <= this.#entriesMax) break
      if (key === inUse || key === sharedDocument) continue
      this.#open.delete(key)
      total -= weight
    }
  }

  drop(stream: StreamName): void {
    this.#open.delete(keyOf(stream))
  }

  /** After a write that failed: what the document holds in memory is not what is stored, and its client id is spent. */
  spoil(stream: StreamName): void {
    this.drop(stream)
    this.#clientId = this.#newClientId()
    for (const document of this.#open.values()) document.doc.clientID = this.#clientId
  }
}

function keyOf(stream: StreamName): string {
  return stream.document === sharedDocument ? sharedDocument : `${stream.author}/${stream.document}`
}

// Answers what peers ask of this node's ledger. Everything given out is somebody's signed bytes as they came.
import { peerLimits, SkeinError } from '@skein/runtime'
import { hex, sha256 } from '../identity.ts'
import type { LedgerSettings } from '../limits.ts'
import type { MembershipLog } from '../membership/membership-log.ts'
import type { LedgerStore, StreamName } from '../ports.ts'
import type { StreamTable } from '../streams/stream-table.ts'
import type { Digests } from './digest.ts'
import { encodeCompared, encodeHeads, encodeMembers, encodeWanted } from './messages.ts'
import type { LogRequest, WantedItem } from './messages.ts'

export interface AnsweringComponents {
  store: LedgerStore
  table: StreamTable
  membership: MembershipLog
  digests: Digests
}

export class Answering {
  readonly #components: AnsweringComponents
  readonly #settings: LedgerSettings

  constructor(components: AnsweringComponents, settings: LedgerSettings) {
    this.#components = components
    this.#settings = settings
  }

  async answer(request: Exclude<LogRequest, { kind: 'push' }>): Promise<Uint8Array> {
    const { membership, digests, table } = this.#components
    switch (request.kind) {
      case 'compare': {
        const same = request.membership === membership.digest && request.streams === digests.ofAll()
        return encodeCompared(same ? undefined : { membership: membership.digest, authors: digests.byAuthor() })
      }
      case 'members':
        return this.#members(request.tips)
      case 'heads':
        return encodeHeads(request.authors.flatMap((author) => [...table.ofAuthor(author)]))
      case 'want':
        return this.#wanted(request.streams)
      default:
        return this.#snapshotPart(request.stream, request.hash, request.offset)
    }
  }

  #members(tips: readonly string[]): Uint8Array {
    const entries: Uint8Array[] = []
    let size = 0
    for (const { bytes } of this.#components.membership.required.graph.missingFrom(tips)) {
      if (size + bytes.length > this.#settings.replyBytesMax && entries.length > 0) return encodeMembers(entries, true)
      entries.push(bytes)
      size += bytes.length
    }
    return encodeMembers(entries, false)
  }

  /** As much as fits in one answer; whoever asked will ask again from where that left it. */
  async #wanted(wants: readonly { stream: StreamName; above: number }[]): Promise<Uint8Array> {
    const { store, table } = this.#components
    const items: WantedItem[] = []
    let room = this.#settings.replyBytesMax
    for (const { stream, above } of wants.slice(0, this.#settings.streamsPerRequest)) {
      if (room <= 0) break
      const state = table.state(stream)
      if (state.tips.length === 0) continue
      // Where the log reaches back far enough the header alone will do: the peer makes the snapshot itself.
      const covered = above >= state.checkpointSeq || (await this.#logReaches(stream, above))
      if (!covered && state.checkpoint) {
        const inline = state.snapshotBytes <= Math.min(room, this.#settings.snapshotInlineBytesMax)
        const snapshot = inline ? ((await store.snapshot(stream)) ?? null) : null
        items.push({ kind: 'checkpoint', header: state.checkpoint, snapshot })
        room -= state.checkpoint.length + (snapshot?.length ?? 0)
      }
      for await (const { bytes } of store.batches(stream, covered || state.forked ? above : state.checkpointSeq)) {
        if (room - bytes.length <= 0 && items.length > 0) {
          room = 0
          break
        }
        items.push({ kind: 'batch', bytes })
        room -= bytes.length
      }
      if (room > 0 && covered && state.checkpoint) {
        items.push({ kind: 'checkpoint', header: state.checkpoint, snapshot: null })
        room -= state.checkpoint.length
      }
    }
    return encodeWanted(items)
  }

  async #logReaches(stream: StreamName, above: number): Promise<boolean> {
    for await (const { seq } of this.#components.store.batches(stream, above)) return seq === above + 1
    return false
  }

  async #snapshotPart(stream: StreamName, hash: string, offset: number): Promise<Uint8Array> {
    const snapshot = await this.#components.store.snapshot(stream)
    if (!snapshot || (offset === 0 && hex(sha256(snapshot)) !== hash)) {
      throw new SkeinError('no-such-snapshot', 'temporary', 'that snapshot is not here any more')
    }
    return snapshot.slice(offset, offset + peerLimits.peerChunkBytes)
  }
}

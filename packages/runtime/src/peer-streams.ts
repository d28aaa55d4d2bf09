// Bytes between two nodes for as long as both want: beside the request primitive of PeerLink, for what is no request.
// Many streams share one connection fairly; each is bounded by what its reader has taken.
import type { Duplex } from 'node:stream'
import type { NodeId } from './peer-link.ts'

/**
 * One end. Writing waits for the other end's reading (`write` says false, `drain` follows); `end` closes one half only.
 * Whatever ends it early destroys it at once, with a SkeinError: `peer-unreachable` when the peer or its membership is lost,
 * else what the other end gave as its reason. An `error` event that nobody listens to is harmless here.
 */
export type PeerStream = Duplex

/** The suffix of `/skein/1/<service>`. */
export type PeerStreamService = 'proxy'

/**
 * Decides on a stream that a member asks for. Rejecting refuses it: the SkeinError reaches the asker.
 * @returns what takes the stream. It is called in any case, with a destroyed stream where the asker has gone meanwhile.
 */
export type PeerStreamHandler = (from: NodeId, header: Uint8Array) => Promise<(stream: PeerStream) => void>

export interface PeerStreams {
  /**
   * Resolves when the peer's handler has accepted.
   * @param header at most `headerBytesMax`: what the stream is for.
   * @throws SkeinError `peer-unreachable` (temporary), `too-many-streams` (temporary), or what the peer's handler threw
   */
  openStream(
    to: NodeId,
    service: PeerStreamService,
    header: Uint8Array,
    options?: { timeoutMs?: number },
  ): Promise<PeerStream>
  /** One handler a service. Only greeted members' streams reach it. */
  handleStream(service: PeerStreamService, handler: PeerStreamHandler): void
}

export const peerStreamLimits = {
  headerBytesMax: 4 * 1024,
  openTimeoutMs: 15_000,
} as const

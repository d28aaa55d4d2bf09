// Lines between nodes break for a moment, and a node that has just started has none yet: who logs in then is not sent away, but
// waits for the line. A home that has been gone for longer is answered for at once.
import { type Clock, type NodeId, type PeerLink, isErrorCode, sleep } from '@skein/runtime'
import { accountLimits } from './limits.ts'

/** `link`, whose requests wait up to `lineWaitMs` for a peer that was lost a moment ago, or not reached yet since the start. */
export function createPatientLink(link: PeerLink, clock: Clock): PeerLink {
  const startedMs = clock.monotonicMs()
  const lostMs = new Map<NodeId, number>()
  const waiting = new Map<NodeId, Set<() => void>>()
  link.onPeerChange((peer, state) => {
    if (state === 'down') lostMs.set(peer, clock.monotonicMs())
    else {
      lostMs.delete(peer)
      for (const wake of waiting.get(peer) ?? []) wake()
    }
  })

  /** Resolves when the peer is back, or `withinMs` have passed. */
  function whenBack(peer: NodeId, withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wakers = waiting.get(peer) ?? new Set()
      waiting.set(peer, wakers)
      const wake = () => {
        timer.cancel()
        wakers.delete(wake)
        if (wakers.size === 0) waiting.delete(peer)
        resolve()
      }
      const timer = clock.setTimer(withinMs, wake)
      wakers.add(wake)
    })
  }

  const isConnected = (peer: NodeId) => link.connected().includes(peer)

  const wasLostLately = (peer: NodeId) =>
    clock.monotonicMs() - (lostMs.get(peer) ?? startedMs) < accountLimits.lineLostRecentlyMs

  return {
    self: link.self,
    connected: () => link.connected(),
    handle: (service, handler) => link.handle(service, handler),
    onPeerChange: (listener) => link.onPeerChange(listener),
    async request(to, service, payload, options) {
      if (!isConnected(to) && !wasLostLately(to)) return link.request(to, service, payload, options)
      const untilMs = clock.monotonicMs() + accountLimits.lineWaitMs
      while (true) {
        const leftMs = untilMs - clock.monotonicMs()
        if (leftMs > 0 && !isConnected(to)) await whenBack(to, leftMs)
        try {
          return await link.request(to, service, payload, options)
        } catch (error) {
          // It broke while it was asked, or is being replaced by another; nothing that a log-in asks does harm when asked twice.
          const mayPass = isErrorCode(error, 'peer-unreachable') || isErrorCode(error, 'peer-not-serving')
          if (!mayPass || clock.monotonicMs() >= untilMs) throw error
          if (isConnected(to)) await sleep(clock, accountLimits.lineRetryMs)
        }
      }
    },
  }
}

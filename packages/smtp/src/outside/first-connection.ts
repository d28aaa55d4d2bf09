// The first of a host's addresses that answers: each gets a little time before the next is tried beside it (RFC 8305 §5).
// Promises: one socket or an error that names every address; no socket is left open.
import { type Socket, connect } from 'node:net'
import type { Clock, Timer } from '@skein/runtime'
import type { OutsideLimits } from '../limits.ts'
import { familyOf } from './address-families.ts'
import type { MailHost } from './mail-hosts.ts'

export interface FirstConnection {
  socket: Socket
  host: MailHost
  /** Those that had failed, or had not answered by then. */
  behind: MailHost[]
}

export interface ConnectTerms {
  clock: Clock
  limits: OutsideLimits
  localAddress: string | undefined
}

/** Replies are short, and looked at before anything else is read: one piece of memory does for all, instead of 64 KiB for each read. */
const replyBytes = Buffer.allocUnsafeSlow(16 * 1024)

/** @throws Error with a text for people. */
export function firstConnection(
  hosts: readonly MailHost[],
  { clock, limits, localAddress }: ConnectTerms,
  signal: AbortSignal,
): Promise<FirstConnection> {
  return new Promise((resolve, reject) => {
    const waiting = [...hosts]
    const trying = new Map<Socket, { host: MailHost; limit: Timer }>()
    const failed: { host: MailHost; text: string }[] = []
    let next: Timer | undefined
    let isOver = false

    function end(): void {
      isOver = true
      next?.cancel()
      signal.removeEventListener('abort', onAbort)
      for (const [socket, { limit }] of trying) {
        limit.cancel()
        socket.destroy()
      }
    }
    const onAbort = () => {
      if (isOver) return
      end()
      reject(new Error('the attempt was broken off'))
    }
    function lost(socket: Socket, text: string): void {
      const attempt = trying.get(socket)
      if (isOver || !attempt) return
      attempt.limit.cancel()
      trying.delete(socket)
      socket.destroy()
      failed.push({ host: attempt.host, text })
      if (waiting.length > 0) return tryNext()
      if (trying.size > 0) return
      end()
      const several = failed.length > 1
      reject(new Error(failed.map((it) => (several ? `${it.host.address}: ${it.text}` : it.text)).join('; ')))
    }
    function won(socket: Socket): void {
      const attempt = trying.get(socket)
      if (isOver || !attempt) return
      attempt.limit.cancel()
      trying.delete(socket)
      const behind = [...failed.map(({ host }) => host), ...[...trying.values()].map(({ host }) => host)]
      socket.removeAllListeners('error')
      end()
      resolve({ socket, host: attempt.host, behind })
    }
    function tryNext(): void {
      next?.cancel()
      const host = waiting.shift()
      if (!host || isOver) return
      const isSameFamily = localAddress !== undefined && familyOf(localAddress) === familyOf(host.address)
      const socket: Socket = connect({
        host: host.address,
        port: host.port,
        noDelay: true,
        onread: {
          buffer: replyBytes,
          callback: (length) => socket.emit('data', replyBytes.subarray(0, length)),
        },
        ...(isSameFamily ? { localAddress } : {}),
      })
      const { connectTimeoutMs, connectStaggerMs } = limits
      const limit = clock.setTimer(connectTimeoutMs, () => lost(socket, `no connection in ${connectTimeoutMs} ms`))
      trying.set(socket, { host, limit })
      socket.on('connect', () => won(socket))
      socket.on('error', (error) => lost(socket, error.message))
      if (waiting.length > 0) next = clock.setTimer(connectStaggerMs, tryNext)
    }
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    tryNext()
  })
}

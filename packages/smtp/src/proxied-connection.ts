// Takes the PROXY header off a new connection from a load balancer, before a byte of SMTP or TLS is read.
import type { Socket } from 'node:net'
import type { Clock } from '@skein/runtime'
import { type ProxyHeader, readProxyHeader } from './wire/proxy-header.ts'

export interface ProxiedConnectionSettings {
  clock: Clock
  limits: { proxyHeaderTimeoutMs: number; proxyHeaderBytesMax: number }
}

/**
 * Calls `done` once: with who is behind the proxy, null where the proxy speaks for itself, or 'refused' where no header came in
 * time; what follows the header stays in the socket.
 */
export function takeProxyHeader(
  socket: Socket,
  { clock, limits }: ProxiedConnectionSettings,
  done: (client: ProxyHeader['client'] | 'refused') => void,
): void {
  let bytes: Buffer = Buffer.alloc(0)
  const timer = clock.setTimer(limits.proxyHeaderTimeoutMs, () => finish('refused'))
  const onData = () => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
      bytes = Buffer.concat([bytes, chunk])
      const header = readProxyHeader(bytes, limits.proxyHeaderBytesMax)
      if (header === 'more') continue
      if (header === 'malformed') return finish('refused')
      const rest = bytes.subarray(header.length)
      finish(header.client, rest)
      return
    }
  }
  const onEnd = () => finish('refused')
  function finish(client: ProxyHeader['client'] | 'refused', rest?: Buffer): void {
    timer.cancel()
    socket.off('readable', onData)
    socket.off('end', onEnd)
    socket.off('close', onEnd)
    // An error that comes later is the session's to see; until it listens, nobody's.
    socket.off('error', onEnd)
    if (client === 'refused') socket.on('error', () => {})
    else if (rest && rest.length > 0) socket.unshift(rest)
    done(client)
  }
  socket.on('readable', onData)
  socket.on('end', onEnd)
  socket.on('close', onEnd)
  socket.on('error', onEnd)
}

// A TCP proxy that can fall silent without closing anything: a cable that was pulled, a firewall that forgot.
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'

export interface SilentProxy extends AsyncDisposable {
  readonly port: number
  /** From now on nothing that arrives is passed on. */
  silence(): void
}

export async function startSilentProxy(targetHost: string, targetPort: number): Promise<SilentProxy> {
  let silent = false
  const sockets = new Set<Socket>()
  const pass = (from: Socket, to: Socket) => {
    sockets.add(from)
    from.on('data', (data) => {
      if (!silent) to.write(data)
    })
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      if (!silent) to.destroy()
    })
  }
  const server = createServer((near) => {
    const far = connect({ host: targetHost, port: targetPort })
    pass(near, far)
    pass(far, near)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    silence: () => {
      silent = true
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => {
        server.close(resolve)
      })
    },
  }
}

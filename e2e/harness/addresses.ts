// Loopback addresses for a test file: each process leases a /24 of 127.0.0.0/8, so that files run at the same time with the same ports.
import { type Server, createServer } from 'node:net'

const leasePort = 10_009
let lease: { network: string; server: Server; used: number } | undefined

async function tryLease(network: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy())
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined))
    server.listen(leasePort, `${network}.1`, () => {
      server.unref()
      resolve(server)
    })
  })
}

/** A loopback address that no other test of this machine uses now: 127.20.x.y, held until this process ends. */
export async function loopbackAddress(): Promise<string> {
  if (!lease) {
    for (let attempt = 0; attempt < 1024 && !lease; attempt++) {
      const number = (process.pid + attempt) % 2048
      const network = `127.${20 + (number >> 8)}.${number & 255}`
      const server = await tryLease(network)
      if (server) lease = { network, server, used: 1 }
    }
    if (!lease) throw new Error('no loopback network is free')
  }
  lease.used += 1
  if (lease.used > 254) throw new Error('one test file uses more than 253 loopback addresses')
  return `${lease.network}.${lease.used}`
}

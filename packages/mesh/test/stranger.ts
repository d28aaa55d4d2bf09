// A plain libp2p node that is no part of any mesh and keeps no rule of ours: what an outsider can bring along.
import { noise } from '@chainsafe/libp2p-noise'
import type { Connection, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { encodeCbor, silentLogger, systemClock } from '@skein/runtime'
import { createLibp2p } from 'libp2p'
import { Channel } from '../src/channel.ts'
import { encodeGreeting, encodeSignal } from '../src/control-message.ts'
import { libp2pKeyOf } from '../src/libp2p-key.ts'
import { generateNodeKey } from '@skein/mesh'
import type { TestNode } from './mesh-node.ts'

export interface Stranger extends AsyncDisposable {
  readonly id: string
  readonly privateKey: Uint8Array
  dial(node: TestNode): Promise<Connection>
  handle(protocol: string, handler: (stream: Stream) => void): Promise<void>
  stop(): Promise<void>
}

export async function createStranger(
  privateKey = generateNodeKey().privateKey,
  localAddress?: string,
): Promise<Stranger> {
  const node = await createLibp2p({
    privateKey: libp2pKeyOf(privateKey),
    transports: [
      tcp(localAddress === undefined ? {} : { dialOpts: Object.assign({}, { noDelay: true, localAddress }) }),
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  })
  const stop = async () => {
    await node.stop()
  }
  return {
    id: node.peerId.toString(),
    privateKey,
    // A second connection where one stands.
    dial: (to) => node.dial(multiaddr(to.mesh.listenAddresses()[0]), { force: true }),
    handle: (protocol, handler) => node.handle(protocol, (stream) => handler(stream)),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** Opens `protocol`, sends `bytes`, and gives what comes back until the other side ends the stream. */
export async function converse(
  connection: Connection,
  protocol: string,
  bytes: Uint8Array,
  whileMs?: number,
): Promise<Buffer> {
  const stream = await connection.newStream(protocol, { signal: AbortSignal.timeout(3_000) })
  const answer = collect(stream, whileMs)
  stream.send(bytes)
  return answer
}

export function collect(stream: Stream, whileMs = 3_000): Promise<Buffer> {
  const parts: Uint8Array[] = []
  return new Promise((resolve) => {
    const timer = setTimeout(() => finish(), whileMs)
    const finish = () => {
      clearTimeout(timer)
      resolve(Buffer.concat(parts))
    }
    stream.addEventListener('message', ({ data }) => parts.push(data.subarray()))
    stream.addEventListener('close', finish)
    stream.addEventListener('remoteCloseWrite', finish)
  })
}

/** A connection greeted as the protocol says, whose streams are then in the test's hand. */
export async function greet(stranger: Stranger, node: TestNode): Promise<{ connection: Connection; control: Channel }> {
  node.gate.add(stranger.id, [])
  const connection = await stranger.dial(node)
  const stream = await connection.newStream('/skein/1/hello')
  const control = new Channel({ clock: systemClock, logger: silentLogger }, stream, {
    handler: async () => new Uint8Array(0),
    onViolation: () => {},
  })
  const greeting = { session: new Uint8Array(8), hello: encodeCbor({ meshId: node.gate.meshId }) }
  await control.request(encodeGreeting(greeting), 5_000)
  await control.request(encodeSignal('ready'), 5_000)
  return { connection, control }
}

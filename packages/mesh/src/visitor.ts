// A newcomer that knocks: it dials the members that its invite names, one after the other, and hands over its
// request. It is no node yet: it listens nowhere, answers nothing, and is gone when it has its reply.
import { noise } from '@chainsafe/libp2p-noise'
import { tcp } from '@libp2p/tcp'
import type { TCPSocketOptions } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { SkeinError } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'
import { Channel } from './channel.ts'
import { encodeJoin } from './control-message.ts'
import { unreachable } from './failure.ts'
import { guardMuxer } from './muxer-guard.ts'
import { libp2pLog } from './libp2p-log.ts'
import type { Knock } from './knock.ts'
import { libp2pKeyOf } from './libp2p-key.ts'
import { nodeIdOf } from './node-key.ts'
import { dialAddressOf } from './peer-address.ts'
import { proveFactor } from './second-factor.ts'
import { defaultMeshSettings, joinProtocol, meshLimits, wireLimits } from './settings.ts'

export async function visit(options: Knock): Promise<{ from: NodeId; reply: Uint8Array }> {
  if (options.request.byteLength > wireLimits.joinRequestBytesMax - joinOverheadBytes) {
    throw new SkeinError('payload-too-big', 'refused', 'the join request is too long')
  }
  const node = await createVisitor(options)
  try {
    await node.start()
    let last = unreachable('none of the peers could be reached')
    for (const peer of options.peers) {
      try {
        return { from: peer.id, reply: await askOne(node, options, peer) }
      } catch (error) {
        last = error instanceof SkeinError ? error : unreachable('the peer could not be reached', error)
        // Asking another member does not make a refused request right.
        if (last.kind !== 'temporary') throw last
      }
    }
    throw last
  } finally {
    await node.stop()
  }
}

const joinOverheadBytes = 1024

type Visitor = Awaited<ReturnType<typeof createVisitor>>

async function createVisitor({ privateKey, logger, localAddress, connectTimeoutMs }: Knock) {
  const dialTimeout = connectTimeoutMs ?? defaultMeshSettings.connectTimeoutMs
  // Handed on to `net.connect`, which knows it though the transport's types do not.
  const dialOpts: TCPSocketOptions & { localAddress?: string } = localAddress === undefined ? {} : { localAddress }
  return createLibp2p({
    start: false,
    privateKey: libp2pKeyOf(privateKey),
    logger: libp2pLog(logger),
    nodeInfo: { name: 'skein', version: '1', userAgent: 'skein' },
    transports: [tcp({ dialOpts })],
    connectionEncrypters: [noise()],
    streamMuxers: [() => guardMuxer(yamux()(), meshLimits.streamWindowBytesMax)],
    connectionMonitor: { enabled: false },
    connectionManager: { dialTimeout, addressDialTimeout: Math.min(dialTimeout, meshLimits.addressDialTimeoutMs) },
    connectionGater: { denyInboundConnection: () => true },
  })
}

async function askOne(node: Visitor, options: Knock, peer: Knock['peers'][number]): Promise<Uint8Array> {
  const targets = peer.addresses.map((address) => dialAddressOf(peer.id, address)).filter((a) => a !== undefined)
  if (targets.length === 0) throw unreachable('no address of this peer can be dialled')
  const { privateKey, request, clock, logger, secondFactor } = options
  const factorProof = secondFactor ? await proveFactor(secondFactor, nodeIdOf(privateKey), peer.id) : undefined
  // A refused dial looks open until the other side cuts it: only the answer counts.
  const connection = await node.dial(targets)
  try {
    const stream = await connection.newStream(joinProtocol, {
      signal: AbortSignal.timeout(meshLimits.joinTimeoutMs),
    })
    const channel = new Channel({ clock, logger }, stream, {
      onViolation: (error) => connection.abort(error),
      handler: () => Promise.reject(new SkeinError('wrong-direction', 'refused', 'a newcomer answers nothing')),
    })
    const join = encodeJoin({ request, ...(factorProof === undefined ? {} : { factorProof }) })
    return await channel.request(join, meshLimits.joinTimeoutMs)
  } finally {
    await connection.close().catch((error: Error) => connection.abort(error))
  }
}

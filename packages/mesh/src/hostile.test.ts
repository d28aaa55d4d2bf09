import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import type { Connection, MessageStream } from '@libp2p/interface'
import { silentLogger } from '@skein/runtime'
import type { LogFields } from '@skein/runtime'
import { connectAll, echo, fastClock, introduce, portOf, startNode, until } from '../test/mesh-node.ts'
import type { TestNode } from '../test/mesh-node.ts'
import { createStranger, greet } from '../test/stranger.ts'
import type { Stranger } from '../test/stranger.ts'
import { encodeFrame, encodeRequest, frameType } from './frame.ts'
import { meshLimits } from './settings.ts'

/** A node, an honest member that asks it all the while, and a member that is in the attacker's hand. */
async function scene(attack: (hostile: Stranger, node: TestNode) => Promise<void>, speed = 1): Promise<void> {
  // Only time-outs are to pass quickly, not patience with a busy machine.
  const settings = { suspectAfterMs: 8_000 * speed, connect: false }
  await using node = await startNode({ clock: fastClock(speed), settings })
  await using honest = await startNode()
  await using hostile = await createStranger()
  echo(node)
  await connectAll(node, honest)
  const enough = new AbortController()
  let answered = 0
  const asking = (async () => {
    while (!enough.signal.aborted) {
      await honest.mesh.request(node.id, 'mail', randomBytes(100))
      answered += 1
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  })()
  await attack(hostile, node)
  const before = answered
  await until('others are served meanwhile', () => answered > before + 10)
  enough.abort()
  await asking
  assert.deepEqual(honest.mesh.connected(), [node.id])
}

async function isCut(connection: Connection, withinMs = 2_000): Promise<void> {
  await until('the connection is cut', () => connection.status !== 'open', withinMs)
}

describe('a member that turned hostile hurts nobody else', { concurrency: 8 }, () => {
  test('with random bytes on a service stream', () =>
    scene(async (hostile, node) => {
      for (let round = 0; round < 5; round += 1) {
        const { connection } = await greet(hostile, node)
        const stream = await connection.newStream('/skein/1/mail')
        stream.send(Buffer.concat([Buffer.of(0xff), randomBytes(5_000)]))
        await isCut(connection)
      }
    }))

  test('with a frame that announces more than a frame may have', () =>
    scene(async (hostile, node) => {
      const { connection } = await greet(hostile, node)
      const stream = await connection.newStream('/skein/1/log')
      stream.send(Buffer.from([0x00, 0x20, 0x00, 0x00, frameType.request, 0, 0, 0, 1]))
      await isCut(connection)
    }))

  test('with a frame that never ends, though it answers every heartbeat', () =>
    scene(async (hostile, node) => {
      const { connection } = await greet(hostile, node)
      const stream = await connection.newStream('/skein/1/mail')
      const frame = encodeRequest(1, 1_000, new Uint8Array(1_000))
      stream.send(frame.subarray(0, 500))
      const drip = setInterval(() => stream.status === 'open' && stream.send(Buffer.of(0)), 200)
      await isCut(connection, 30_000).finally(() => clearInterval(drip))
    }, 10))

  test('with nonsense, or a second greeting, on the hello stream', () =>
    scene(async (hostile, node) => {
      const first = await greet(hostile, node)
      await assert.rejects(first.control.request(Buffer.from('nonsense'), 1_000), { code: 'malformed-cbor' })
      await assert.rejects(greetAgain(first.connection, hostile, node))
      first.connection.abort(new Error('enough'))
      await isCut(first.connection)
    }))

  test('with a flood of streams', () =>
    scene(async (hostile, node) => {
      const { connection } = await greet(hostile, node)
      const streams = await Promise.allSettled(
        Array.from({ length: 60 }, () => connection.newStream('/skein/1/mail', { maxOutboundStreams: 1_000 })),
      )
      const open = () => streams.filter((one) => one.status === 'fulfilled' && one.value.status === 'open').length
      await until('most are reset', () => open() <= meshLimits.serviceStreamsMax)
      assert.ok(node.mesh.status().streams <= 2 + 1 + meshLimits.serviceStreamsMax)
    }))

  test('with a flood of connections', () =>
    scene(async (hostile, node) => {
      node.gate.add(hostile.id, [])
      const copies = await Promise.all(Array.from({ length: 10 }, () => createStranger(hostile.privateKey)))
      try {
        const dials = await Promise.allSettled(copies.map((copy) => copy.dial(node)))
        const open = () => dials.filter((one) => one.status === 'fulfilled' && one.value.status === 'open').length
        await until('most are shown out', () => open() <= meshLimits.connectionsPerPeerMax)
        assert.ok(node.mesh.status().inboundConnections <= 1 + meshLimits.connectionsPerPeerMax)
      } finally {
        await Promise.all(copies.map((copy) => copy.stop()))
      }
    }))

  test('with a muxer frame of four gigabytes', () =>
    scene(async (hostile, node) => {
      const { connection } = await greet(hostile, node)
      const { muxer } = connection as unknown as { muxer: { maConn: MessageStream } }
      const header = Buffer.alloc(12)
      header.writeUInt32BE(1, 4)
      header.writeUInt32BE(0xffff_ffff, 8)
      muxer.maConn.send(header)
      await isCut(connection)
    }))

  test('with answers to what nobody asked', () =>
    scene(async (hostile, node) => {
      const { connection } = await greet(hostile, node)
      const stream = await connection.newStream('/skein/1/mail')
      stream.send(encodeFrame(frameType.answer, 1, Buffer.from('here you are')))
      await isCut(connection)
    }))
})

async function greetAgain(connection: Connection, hostile: Stranger, node: TestNode): Promise<void> {
  const stream = await connection.newStream('/skein/1/hello')
  stream.send(encodeRequest(1, 1_000, Buffer.from('x')))
  await until('the second hello stream is reset', () => stream.status !== 'open', 2_000)
  assert.ok(node.mesh.connected().includes(hostile.id), 'the first stands')
  throw new Error('refused')
}

describe('many at once from one address', { concurrency: 2 }, () => {
  test('get in when they are members: an office behind one NAT', async () => {
    let denied = 0
    const count = ({ err }: LogFields) => {
      if (err instanceof Error && err.name === 'ConnectionDeniedError') denied += 1
    }
    await using hub = await startNode({ logger: { ...silentLogger, debug: count } })
    const nodes = await Promise.all(Array.from({ length: 14 }, () => startNode({ settings: { listen: false } })))
    try {
      for (const node of nodes) introduce(hub, node)
      await until('all are in', () => hub.mesh.connected().length === nodes.length, 15_000)
      assert.equal(denied, 0, 'no dial was turned away')
    } finally {
      await Promise.all(nodes.map((node) => node.mesh.stop()))
    }
  })

  test('that never say who they are keep nobody else out', async () => {
    await using node = await startNode()
    const sockets: Socket[] = []
    const closed = new Set<Socket>()
    try {
      for (let i = 0; i < meshLimits.handshakesPerAddressMax + 20; i += 1) {
        const socket = connect({ host: '127.0.0.1', port: portOf(node), localAddress: '127.0.0.60' })
        socket.on('error', () => {})
        socket.on('close', () => closed.add(socket))
        sockets.push(socket)
      }
      // Well before the time that a handshake may take.
      await until('those above the limit are shown out', () => closed.size >= 20, meshLimits.handshakeTimeoutMs / 2)
      await using member = await startNode({ settings: { listen: false } })
      await connectAll(node, member)
    } finally {
      for (const socket of sockets) socket.destroy()
    }
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silentLogger, systemClock } from '@skein/runtime'
import type { PeerStream, SkeinError } from '@skein/runtime'
import { peerStreamsCompliance } from '@skein/runtime/compliance'
import { generateNodeKey } from '@skein/mesh'
import { connectAll, fastClock, startNode, until } from '../test/mesh-node.ts'
import type { TestNode } from '../test/mesh-node.ts'
import { createStranger, greet } from '../test/stranger.ts'
import { Channel } from './channel.ts'
import { wireLimits } from './settings.ts'

peerStreamsCompliance('libp2p', async () => {
  const [a, b] = await Promise.all([startNode(), startNode()])
  await connectAll(a, b)
  return {
    a: a.mesh,
    b: b.mesh,
    cut: () => a.mesh.disconnect(b.id),
    async [Symbol.asyncDispose]() {
      await Promise.all([a.mesh.stop(), b.mesh.stop()])
    },
  }
})

function echoStreams(node: TestNode): PeerStream[] {
  const taken: PeerStream[] = []
  node.mesh.handleStream('proxy', async () => (stream) => {
    taken.push(stream)
    stream.pipe(stream)
  })
  return taken
}

function roundTrip(stream: PeerStream, text: string): Promise<string> {
  return new Promise((resolve) => {
    stream.once('data', (data: Buffer) => resolve(data.toString()))
    stream.write(text)
  })
}

describe('streams of bytes over libp2p', () => {
  test('two thousand at once between two nodes, over one libp2p stream', async () => {
    await using a = await startNode()
    await using b = await startNode()
    echoStreams(b)
    await connectAll(a, b)
    const open = () => a.mesh.openStream(b.id, 'proxy', Buffer.from('x'))
    const streams = await Promise.all(Array.from({ length: 2_000 }, open))
    const echoes = await Promise.all(streams.map((stream, i) => roundTrip(stream, `line ${i}`)))
    assert.deepEqual(
      echoes,
      streams.map((_, i) => `line ${i}`),
    )
    assert.equal(a.mesh.status().byteStreams, 2_000)
    assert.ok(a.mesh.status().streams <= 4)
    for (const stream of streams) stream.end()
    await until('all are over', () => a.mesh.status().byteStreams + b.mesh.status().byteStreams === 0)
  })

  test('a long letter lets a line of another stream pass', async () => {
    await using a = await startNode()
    await using b = await startNode()
    const taken = echoStreams(b)
    await connectAll(a, b)
    const bulk = await a.mesh.openStream(b.id, 'proxy', Buffer.from('bulk'))
    const line = await a.mesh.openStream(b.id, 'proxy', Buffer.from('line'))
    await roundTrip(line, 'warm')
    const back = { bytes: 0 }
    bulk.on('data', (data: Buffer) => {
      back.bytes += data.length
    })
    const total = 64 * 1024 * 1024
    bulk.write(Buffer.alloc(total))
    let lines = 0
    for (; back.bytes < total; lines++) await roundTrip(line, 'NOOP')
    assert.ok(lines > 4, `${lines} round trips meanwhile`)
    assert.equal(taken.length, 2)
  })

  test('an eviction cuts them at once', async () => {
    await using a = await startNode()
    await using b = await startNode()
    const taken = echoStreams(b)
    await connectAll(a, b)
    const stream = await a.mesh.openStream(b.id, 'proxy', Buffer.from('x'))
    await roundTrip(stream, 'hello')
    b.gate.evict(a.id)
    assert.equal(taken[0]?.destroyed, true)
    await until('the evicted sees it too', () => stream.destroyed)
    await assert.rejects(a.mesh.openStream(b.id, 'proxy', Buffer.from('x')), { code: 'peer-unreachable' })
  })

  test('a reader that makes a mistake loses its stream, and nobody else', async () => {
    await using a = await startNode()
    await using b = await startNode()
    b.mesh.handleStream('proxy', async (_from, header) => (stream) => {
      stream.on('data', (data: Buffer) => {
        if (Buffer.from(header).toString() === 'bad') throw new Error('a mistake')
        stream.write(data)
      })
    })
    await connectAll(a, b)
    const good = await a.mesh.openStream(b.id, 'proxy', Buffer.from('good'))
    const bad = await a.mesh.openStream(b.id, 'proxy', Buffer.from('bad'))
    bad.write('x')
    await until('it is gone', () => bad.destroyed)
    assert.equal((bad.errored as SkeinError).code, 'stream-closed')
    assert.equal(await roundTrip(good, 'well'), 'well')
  })

  test('none more than the limit', async () => {
    await using a = await startNode()
    await using b = await startNode()
    echoStreams(b)
    await connectAll(a, b)
    const streams = await Promise.all(
      Array.from({ length: wireLimits.streamsMax }, () => a.mesh.openStream(b.id, 'proxy', Buffer.from('x'))),
    )
    await assert.rejects(a.mesh.openStream(b.id, 'proxy', Buffer.from('x')), { code: 'too-many-streams' })
    streams[0]!.destroy()
    await a.mesh.openStream(b.id, 'proxy', Buffer.from('x'))
  })

  test('those on a connection that a newer one replaces go on until they end, or the newer one is lost', async () => {
    // Longer than a retired connection waits for requests, by the node's clock.
    const clock = fastClock(20)
    for (const ending of ['end', 'loss'] as const) {
      const [lower, higher] = [generateNodeKey(), generateNodeKey()].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
      // The lower PeerId decides.
      await using node = await startNode({
        clock,
        privateKey: lower!.privateKey,
        settings: { suspectAfterMs: 600_000 },
      })
      await using peer = await createStranger(higher!.privateKey)
      echoStreams(node)
      const { connection: older } = await greet(peer, node)
      const channel = new Channel(
        { clock: systemClock, logger: silentLogger },
        await older.newStream('/skein/1/proxy'),
        { handler: async () => new Uint8Array(0), onViolation: () => {} },
      )
      const stream = await channel.openStream(Buffer.from('x'), 5_000)
      const { connection: newer } = await greet(peer, node)
      await new Promise((resolve) => setTimeout(resolve, 2_500))
      assert.equal(await roundTrip(stream, 'still here'), 'still here')
      assert.equal(node.mesh.status().inboundConnections, 2)
      if (ending === 'end') stream.end()
      else await newer.close()
      await until('the older one is closed', () => older.status !== 'open')
      assert.equal(node.mesh.status().inboundConnections, ending === 'end' ? 1 : 0)
    }
  })
})

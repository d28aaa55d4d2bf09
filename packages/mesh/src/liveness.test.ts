import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { echo, fastClock, introduce, portOf, startNode, until } from '../test/mesh-node.ts'
import { startSilentProxy } from '../test/silent-proxy.ts'
import { createStranger, greet } from '../test/stranger.ts'
import { FrameReader, frameType } from './frame.ts'
import { meshLimits } from './settings.ts'

describe('a connection', { concurrency: 8 }, () => {
  test('whose other end falls silent is given up, and what waits on it fails', async () => {
    await using a = await startNode({ clock: fastClock(5), settings: { listen: false } })
    await using b = await startNode({ settings: { connect: false } })
    echo(b)
    await using proxy = await startSilentProxy('127.0.0.1', portOf(b))
    a.gate.members.set(b.id, [`/ip4/127.0.0.1/tcp/${proxy.port}`])
    b.gate.members.set(a.id, [])
    a.gate.changed()
    await until('they are connected', () => a.mesh.connected().length === 1)
    await a.mesh.request(b.id, 'mail', new Uint8Array(1))
    proxy.silence()
    const startMs = performance.now()
    await assert.rejects(a.mesh.request(b.id, 'mail', new Uint8Array(1), { timeoutMs: 600_000 }), {
      code: 'peer-unreachable',
    })
    // 8 s of silence and one heartbeat, at five times the speed.
    const tookMs = performance.now() - startMs
    assert.ok(tookMs > 1_000 && tookMs < 10_000, `${tookMs} ms`)
    assert.deepEqual(a.mesh.connected(), [])
  })

  test('that is quiet but alive stays up', async () => {
    await using a = await startNode({ clock: fastClock(3) })
    await using b = await startNode()
    const changes: string[] = []
    a.mesh.onPeerChange((_peer, state) => changes.push(state))
    introduce(a, b)
    await until('they are connected', () => a.mesh.connected().length === 1)
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    assert.deepEqual(changes, ['up'])
  })

  test('carries a heartbeat on a service stream that is otherwise idle', async () => {
    await using node = await startNode({ clock: fastClock(20), settings: { suspectAfterMs: 200_000 } })
    await using member = await createStranger()
    const pings: number[] = []
    await member.handle('/skein/1/mail', (stream) => {
      const reader = new FrameReader(10_000, (frame) => {
        if (frame.type === frameType.ping) pings.push(performance.now())
      })
      stream.addEventListener('message', ({ data }) => reader.push(data.subarray()))
    })
    await greet(member, node)
    node.mesh.request(member.id, 'mail', new Uint8Array(1), { timeoutMs: 600_000 }).catch(() => {})
    await until('three heartbeats', () => pings.length >= 3)
    for (const [at, atMs] of pings.slice(1).entries()) {
      const gapMs = (atMs - pings[at]!) * 20
      assert.ok(gapMs < 4 * meshLimits.streamHeartbeatMs, `${gapMs} ms between two`)
    }
  })

  test('of a peer that started anew replaces the one that it left behind', async () => {
    await using node = await startNode()
    await using before = await createStranger()
    const changes: string[] = []
    node.mesh.onPeerChange((_peer, state) => changes.push(state))
    const first = await greet(before, node)
    assert.deepEqual(changes, ['up'])
    const old = first.connection
    const again = await startNode({ privateKey: before.privateKey, settings: { listen: false } })
    try {
      again.gate.add(node.id, node.mesh.listenAddresses())
      await until('the new one is up', () => again.mesh.connected().length === 1)
      await until('the old one is cut', () => old.status !== 'open')
      assert.deepEqual(changes, ['up', 'down', 'up'])
    } finally {
      await again.mesh.stop()
    }
  })
})

describe('a node that stands still itself', () => {
  test('does not blame its peers for it', async () => {
    await using a = await startNode({ clock: fastClock(20), settings: { suspectAfterMs: 20_000 } })
    await using b = await startNode()
    const changes: string[] = []
    introduce(a, b)
    await until('they are connected', () => a.mesh.connected().length === 1)
    a.mesh.onPeerChange((_peer, state) => changes.push(state))
    for (let round = 0; round < 2; round += 1) {
      // 28 s by the node's clock, in which nothing is read.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_400)
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    assert.deepEqual(changes, [])
  })
})

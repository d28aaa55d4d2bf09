import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SkeinError, systemClock } from '@skein/runtime'
import type { Clock } from '@skein/runtime'
import { connectAll, echo, introduce, portOf, startNode, until } from '../test/mesh-node.ts'
import type { TestNode } from '../test/mesh-node.ts'

function stateChanges(node: TestNode): string[] {
  const seen: string[] = []
  node.mesh.onPeerChange((peer, state) => seen.push(`${state} ${peer}`))
  return seen
}

function connections(node: TestNode): number {
  const { inboundConnections, outboundConnections } = node.mesh.status()
  return inboundConnections + outboundConnections
}

/** Waits for nothing short: the higher PeerId dials as soon as the lower. */
const impatientClock: Clock = {
  ...systemClock,
  setTimer: (delayMs, callback) => systemClock.setTimer(delayMs < 500 ? 0 : delayMs, callback),
}

async function ask(from: TestNode, to: TestNode, text: string): Promise<string> {
  return Buffer.from(await from.mesh.request(to.id, 'mail', Buffer.from(text))).toString()
}

describe('a mesh', { concurrency: 8 }, () => {
  test('of five connects every pair by one connection, and each can ask each', async () => {
    const nodes = await Promise.all(['1', '2', '3', '4', '5'].map((last) => startNode({ ip: `127.0.0.${last}` })))
    try {
      for (const node of nodes) {
        node.mesh.handle('mail', async (from, payload) =>
          Buffer.from(`${node.id} to ${from}: ${Buffer.from(payload).toString()}`),
        )
      }
      await connectAll(...nodes)
      for (const from of nodes) {
        for (const to of nodes) {
          if (from !== to) assert.equal(await ask(from, to, 'hi'), `${to.id} to ${from.id}: hi`)
        }
      }
      // Simultaneous dials leave a second connection for a moment only.
      await until('one connection a pair', () => nodes.every((node) => connections(node) === 4))
      for (const node of nodes) assert.equal(node.mesh.connected().length, 4)
    } finally {
      await Promise.all(nodes.map((node) => node.mesh.stop()))
    }
  })

  test('tells whom it is connected with, from where and how far', async () => {
    await using a = await startNode({ ip: '127.0.0.135' })
    await using b = await startNode({ ip: '127.0.0.136' })
    await connectAll(a, b)
    const beforeMs = Date.now()
    await until('a round trip is measured', () => a.mesh.peers()[0]?.rttMs !== undefined)
    const [peer] = a.mesh.peers()
    assert.equal(peer?.id, b.id)
    // A node bound to one address dials from it, whichever side dialled.
    assert.match(peer.address, /^\/ip4\/127\.0\.0\.136\/tcp\/\d+\/p2p\//)
    assert.match(b.mesh.peers()[0]?.address ?? '', /^\/ip4\/127\.0\.0\.135\/tcp\/\d+\/p2p\//)
    assert.ok(peer.rttMs! > 0)
    assert.ok(peer.sinceMs <= beforeMs && peer.lastSeenMs >= peer.sinceMs)
    assert.deepEqual(
      a.mesh.listenAddresses().map((address) => address.replace(/\d+\/p2p/, 'PORT/p2p')),
      [`/ip4/127.0.0.135/tcp/PORT/p2p/${a.id}`],
    )
  })

  test('carries a megabyte each way, many at once, and refuses more', async () => {
    await using a = await startNode()
    await using b = await startNode()
    echo(b)
    await connectAll(a, b)
    const payload = Buffer.alloc(1024 * 1024, 'skein')
    const answers = await Promise.all(Array.from({ length: 24 }, () => a.mesh.request(b.id, 'mail', payload)))
    for (const answer of answers) assert.ok(payload.equals(answer))
    await assert.rejects(a.mesh.request(b.id, 'mail', Buffer.alloc(payload.byteLength + 1)), {
      code: 'payload-too-big',
    })
    assert.equal(await ask(a, b, 'still here'), 'still here')
  })

  test('answers a thousand requests at once over one stream, each its own', async () => {
    await using a = await startNode()
    await using b = await startNode()
    echo(b)
    await connectAll(a, b)
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => ask(a, b, `request ${i}`)))
    answers.forEach((answer, i) => assert.equal(answer, `request ${i}`))
    // The hello stream and this one.
    assert.equal(b.mesh.status().streams, 2)
  })

  test('carries the error of a handler, and outlives one that crashes', async () => {
    await using a = await startNode()
    await using b = await startNode()
    b.mesh.handle('mail', (_from, payload) => {
      if (payload.byteLength === 0) throw new TypeError('a bug')
      return Promise.reject(new SkeinError('not-home', 'refused', 'not homed here'))
    })
    await connectAll(a, b)
    const lost = stateChanges(a)
    await assert.rejects(ask(a, b, 'x'), { code: 'not-home', kind: 'refused', message: 'not homed here' })
    await assert.rejects(ask(a, b, ''), { code: 'internal-error', kind: 'temporary' })
    await assert.rejects(a.mesh.request(b.id, 'own', new Uint8Array(1)), { code: 'peer-not-serving' })
    await assert.rejects(ask(a, b, 'x'), { code: 'not-home' })
    assert.deepEqual(lost, [])
  })

  test('has no request that waits for ever', async () => {
    await using a = await startNode()
    await using b = await startNode()
    b.mesh.handle('mail', () => new Promise(() => {}))
    await connectAll(a, b)
    const never = a.mesh.request(b.id, 'mail', new Uint8Array(1), { timeoutMs: 50 })
    await assert.rejects(never, { code: 'peer-unreachable', kind: 'temporary' })
    await assert.rejects(ask(a, { ...b, id: a.id }, 'x'), { code: 'peer-unreachable' })
  })

  test('says when a peer stops, fails what waits for it, and finds it again where it was', async () => {
    await using a = await startNode()
    const b = await startNode()
    b.mesh.handle('mail', () => new Promise(() => {}))
    await connectAll(a, b)
    const seen = stateChanges(a)
    const port = portOf(b)
    const waiting = Array.from({ length: 50 }, () => ask(a, b, 'x'))
    const outcomes = Promise.allSettled(waiting)
    await until('the requests are there', () => b.mesh.status().streams === 2)
    await b.mesh.stop()
    for (const outcome of await outcomes) {
      assert.equal(outcome.status, 'rejected')
      assert.equal(outcome.reason.code, 'peer-unreachable')
    }
    await until('down is told', () => seen.length > 0)
    assert.deepEqual(seen, [`down ${b.id}`])
    assert.deepEqual(a.mesh.connected(), [])
    await assert.rejects(ask(a, b, 'x'), { code: 'peer-unreachable' })

    await using again = await startNode({ privateKey: b.privateKey, port, settings: { connect: false } })
    echo(again)
    again.gate.add(a.id, [])
    await until('the peer is back', () => seen.length > 1)
    assert.deepEqual(seen, [`down ${b.id}`, `up ${b.id}`])
    assert.equal(await ask(a, again, 'welcome back'), 'welcome back')
  })

  test('starts and stops the same node again and again', async () => {
    await using a = await startNode()
    await using b = await startNode()
    echo(b)
    await connectAll(a, b)
    for (let round = 0; round < 3; round += 1) {
      await b.mesh.stop()
      await b.mesh.start()
      a.gate.add(b.id, b.mesh.listenAddresses())
      await until('both are back', () => a.mesh.connected().length === 1 && b.mesh.connected().length === 1)
      assert.equal(await ask(a, b, `round ${round}`), `round ${round}`)
    }
  })

  test('finds by the DHT a peer that moved to where only a third node knows', async () => {
    await using a = await startNode()
    await using b = await startNode()
    const c = await startNode()
    await connectAll(a, b, c)
    await c.mesh.stop()
    await until('the loss is noticed', () => !a.mesh.connected().includes(c.id) && !b.mesh.connected().includes(c.id))
    // kad-dht asks around by itself one second after its start; from then on only we ask.
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    // It comes back elsewhere, dials nobody, and only b is told the new address.
    await using moved = await startNode({ privateKey: c.privateKey, settings: { connect: false } })
    echo(moved)
    introduce(moved)
    moved.gate.add(a.id, [])
    moved.gate.add(b.id, [])
    b.gate.add(c.id, moved.mesh.listenAddresses())
    await until('the new address is found', () => a.mesh.connected().includes(c.id), 15_000)
    assert.equal(a.mesh.peers().find(({ id }) => id === c.id)?.address, moved.mesh.listenAddresses()[0])
    assert.equal(await ask(a, moved, 'found'), 'found')
  })

  test('drops a connection on demand and makes it anew', async () => {
    await using a = await startNode()
    await using b = await startNode()
    await connectAll(a, b)
    const seen = stateChanges(a)
    a.mesh.disconnect(b.id)
    assert.deepEqual(seen, [`down ${b.id}`])
    await until('it is back', () => seen.length > 1)
    assert.deepEqual(seen, [`down ${b.id}`, `up ${b.id}`])
  })

  test('survives a connection that is cut in the moment when a stream is opened on it', async () => {
    await using a = await startNode()
    await using b = await startNode()
    await connectAll(a, b)
    for (let ticks = 0; ticks < 4; ticks += 1) {
      await until('they are connected', () => a.mesh.connected().length === 1)
      const request = ask(a, b, 'x')
      for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve()
      a.mesh.disconnect(b.id)
      await assert.rejects(request, { code: 'peer-unreachable' })
    }
  })

  test('hurts nobody else by a listener that throws', async () => {
    await using a = await startNode()
    await using b = await startNode()
    a.mesh.onPeerChange(() => {
      throw new Error('a bug in a listener')
    })
    const seen = stateChanges(a)
    await connectAll(a, b)
    assert.deepEqual(seen, [`up ${b.id}`])
  })
})

describe('two nodes that dial each other', { concurrency: 3 }, () => {
  test('at once end with one connection, dialled by the lower PeerId, and lose no request on the way', async () => {
    for (let round = 0; round < 4; round += 1) {
      await using a = await startNode({ clock: impatientClock })
      await using b = await startNode({ clock: impatientClock })
      echo(a)
      echo(b)
      const failed: unknown[] = []
      const enough = new AbortController()
      const keepAsking = async (from: TestNode, to: TestNode) => {
        while (!enough.signal.aborted) {
          if (from.mesh.connected().length > 0) await ask(from, to, 'x').catch((error) => failed.push(error))
          await new Promise((resolve) => setTimeout(resolve, 1))
        }
      }
      const done = [keepAsking(a, b), keepAsking(b, a)]
      introduce(a, b)
      await until('they are connected', () => a.mesh.connected().length > 0 && b.mesh.connected().length > 0)
      await until('one is left', () => connections(a) === 1 && connections(b) === 1)
      enough.abort()
      await Promise.all(done)
      assert.deepEqual(failed, [])
      const [lower, higher] = a.id < b.id ? [a, b] : [b, a]
      assert.equal(lower.mesh.peers()[0]?.address, `${higher.mesh.listenAddresses()[0]}`)
    }
  })
})

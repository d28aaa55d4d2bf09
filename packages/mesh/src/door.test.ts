import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { decodeCbor, silentLogger, systemClock } from '@skein/runtime'
import { connectAll, echo, fastClock, introduce, portOf, startNode, until } from '../test/mesh-node.ts'
import type { TestNode } from '../test/mesh-node.ts'
import { collect, converse, createStranger, greet } from '../test/stranger.ts'
import { encodeRequest } from './frame.ts'
import { encodeGreeting } from './control-message.ts'
import { knock } from './knock.ts'
import type { Knock } from './knock.ts'
import { generateNodeKey } from './node-key.ts'
import { kadProtocol, meshLimits, protocolPrefix, requestServices } from './settings.ts'

const memberProtocols = [
  ...requestServices.map((service) => protocolPrefix + service),
  `${protocolPrefix}hello`,
  kadProtocol,
  '/skein/id/1.0.0',
  '/skein/ping/1.0.0',
]

function knockAt(nodes: TestNode[], request: string, more: Partial<Knock> = {}): ReturnType<typeof knock> {
  return knock({
    privateKey: generateNodeKey().privateKey,
    peers: nodes.map((node) => ({ id: node.id, addresses: node.mesh.listenAddresses() })),
    request: Buffer.from(request),
    clock: systemClock,
    logger: silentLogger,
    ...more,
  })
}

function total(node: TestNode): number {
  const { inboundConnections, outboundConnections } = node.mesh.status()
  return inboundConnections + outboundConnections
}

async function closes(connection: Connection, withinMs: number): Promise<void> {
  await until('the connection is cut', () => connection.status !== 'open', withinMs)
}

/** What a member would get an answer to. */
function questionFor(protocol: string, node: TestNode, about: TestNode): Uint8Array {
  if (protocol === kadProtocol) {
    // FIND_NODE (4) with the bytes of the id as key, length first.
    const key = peerIdFromString(about.id).toMultihash().bytes
    return Buffer.concat([Buffer.of(key.byteLength + 4, 0x08, 4, 0x12, key.byteLength), key])
  }
  if (protocol.includes('ping')) return Buffer.alloc(32, 1)
  const greeting = encodeGreeting({ session: new Uint8Array(8), hello: node.gate.helloFor() })
  return encodeRequest(1, 1_000, greeting)
}

describe('a stranger', { concurrency: 8 }, () => {
  test('gets no connection while no invite is open, though its dial may look like one', async () => {
    await using node = await startNode()
    await using stranger = await createStranger()
    const connection = await stranger.dial(node).catch(() => undefined)
    if (connection !== undefined) await closes(connection, 2_000)
    assert.equal(total(node), 0)
    assert.deepEqual(node.mesh.peers(), [])
  })

  test('with an open invite reaches the join protocol and nothing else', async () => {
    await using node = await startNode()
    await using member = await startNode()
    await connectAll(node, member)
    for (const service of requestServices) node.mesh.handle(service, async () => Buffer.from('secret'))
    node.gate.invite = 'let me in'
    await using stranger = await createStranger()
    const connection = await stranger.dial(node)
    for (const protocol of memberProtocols) {
      const answer = await converse(connection, protocol, questionFor(protocol, node, member)).catch(() =>
        Buffer.alloc(0),
      )
      assert.equal(answer.byteLength, 0, `${protocol} answered a stranger`)
    }
    const answer = collect(await connection.newStream(`${protocolPrefix}join`))
    assert.equal(connection.status, 'open')
    assert.ok(!node.mesh.connected().includes(stranger.id))
    await stranger.stop()
    await answer
  })

  test('asks in vain what a member is told', async () => {
    await using node = await startNode()
    await using other = await startNode()
    await connectAll(node, other)
    for (const service of requestServices) node.mesh.handle(service, async () => Buffer.from('for members'))
    await using member = await createStranger()
    const { connection } = await greet(member, node)
    // The DHT learns of a member a moment after it is up.
    const address = Buffer.from(multiaddr(other.mesh.listenAddresses()[0]).decapsulate('/p2p').bytes)
    const told = async (protocol: string) => converse(connection, protocol, questionFor(protocol, node, other), 500)
    let nodes: Buffer = Buffer.alloc(0)
    for (let tries = 0; tries < 20 && !nodes.includes(address); tries += 1) nodes = await told(kadProtocol)
    assert.ok(nodes.includes(address), 'the DHT tells a member where another is')
    const others = memberProtocols.filter((protocol) => protocol !== kadProtocol && !protocol.endsWith('hello'))
    const answers = await Promise.all(others.map(told))
    for (const [at, protocol] of others.entries())
      assert.ok(answers[at]!.byteLength > 0, `${protocol} answers a member`)
  })

  test('that knocks with the right word is admitted by any member, and told why not otherwise', async () => {
    await using node = await startNode({ ip: '127.0.0.1' })
    node.gate.invite = 'let me in'
    const unreachablePeer = { id: generateNodeKey().nodeId, addresses: ['/ip4/127.0.0.1/tcp/1'] }
    const key = generateNodeKey()
    const there = { id: node.id, addresses: node.mesh.listenAddresses() }
    const { from, reply } = await knockAt([], 'let me in', {
      privateKey: key.privateKey,
      peers: [unreachablePeer, there],
      localAddress: '127.0.0.77',
    })
    assert.equal(from, node.id)
    assert.deepEqual(decodeCbor(reply), { welcome: 'mesh-1' })
    assert.deepEqual(node.gate.joined, [{ stranger: key.nodeId, ip: '127.0.0.77' }])
    await assert.rejects(knockAt([node], 'open sesame'), { code: 'bad-proof', kind: 'refused' })
    await until('nobody stays', () => total(node) === 0)
  })

  test('that knocks again, its first answer lost and the invite used up by itself, is heard', async () => {
    await using node = await startNode()
    node.gate.invite = 'let me in'
    const key = generateNodeKey()
    await knockAt([node], 'let me in', { privateKey: key.privateKey })
    node.gate.inviteOpen = () => false
    node.gate.changed()
    await assert.rejects(knockAt([node], 'let me in'), { code: 'peer-unreachable' })
    const { reply } = await knockAt([node], 'let me in', { privateKey: key.privateKey })
    assert.deepEqual(decodeCbor(reply), { welcome: 'mesh-1' })
  })

  test('that knocks where no invite is open, or nobody is, is told that nobody answers', async () => {
    await using node = await startNode()
    await assert.rejects(knockAt([node], 'let me in'), { code: 'peer-unreachable', kind: 'temporary' })
    await assert.rejects(knockAt([], 'let me in'), { code: 'peer-unreachable', kind: 'temporary' })
    await assert.rejects(knockAt([node], 'x'.repeat(70_000)), { code: 'payload-too-big' })
  })

  test('that was evicted may not knock again', async () => {
    await using node = await startNode()
    node.gate.invite = 'let me in'
    const key = generateNodeKey()
    node.gate.evict(key.nodeId)
    await assert.rejects(knockAt([node], 'let me in', { privateKey: key.privateKey }), { code: 'peer-unreachable' })
    assert.deepEqual(node.gate.joined, [])
  })

  test('is shown out when the invite is used up, when it does not knock, and when it asks too much', async () => {
    await using node = await startNode({ clock: fastClock(20) })
    node.gate.invite = 'let me in'
    await using stranger = await createStranger()
    const first = await stranger.dial(node)
    assert.equal(first.status, 'open')
    // 10 s by the node's clock.
    await closes(first, 3_000)
    const second = await stranger.dial(node)
    node.gate.invite = undefined
    node.gate.changed()
    await closes(second, 1_000)
    node.gate.invite = 'let me in'
    const third = await stranger.dial(node)
    const tooLong = encodeRequest(1, 1_000, new Uint8Array(70_000))
    await converse(third, `${protocolPrefix}join`, tooLong).catch(() => {})
    await closes(third, 1_000)
    assert.deepEqual(node.gate.joined, [])
  })

  test('is one of four that may join at a time', async () => {
    await using node = await startNode()
    node.gate.invite = 'let me in'
    const held = Promise.withResolvers<void>()
    node.gate.joinDelay = held.promise
    const knocks = Array.from({ length: meshLimits.joinsAtOnceMax + 2 }, () => knockAt([node], 'let me in'))
    const outcomes = Promise.allSettled(knocks)
    const busy = await Promise.any(
      knocks.map((one) =>
        one.then(
          () => Promise.reject(new Error('joined')),
          (error) => error,
        ),
      ),
    )
    assert.equal(busy.code, 'join-busy')
    assert.equal(busy.kind, 'temporary')
    await new Promise((resolve) => setTimeout(resolve, 300))
    held.resolve()
    const done = await outcomes
    assert.equal(done.filter(({ status }) => status === 'fulfilled').length, meshLimits.joinsAtOnceMax)
  })

  test('from an address that is not on the allow-list is not even greeted', async () => {
    await using node = await startNode({ ip: '127.0.0.1' })
    node.gate.invite = 'let me in'
    node.gate.allows = (ip) => ip === '127.0.0.50'
    await assert.rejects(knockAt([node], 'let me in', { localAddress: '127.0.0.51' }), { code: 'peer-unreachable' })
    await knockAt([node], 'let me in', { localAddress: '127.0.0.50' })
    // Not one byte of a handshake either.
    const socket = connect({ host: '127.0.0.1', port: portOf(node), localAddress: '127.0.0.51' })
    const got = await new Promise<number>((resolve) => {
      let bytes = 0
      socket.on('data', (data) => (bytes += data.byteLength))
      socket.on('error', () => {})
      socket.on('close', () => resolve(bytes))
    })
    assert.equal(got, 0)
  })
})

describe('a member', { concurrency: 8 }, () => {
  test('that is evicted is cut off within a second on every live connection, and stays out', async () => {
    const nodes = await Promise.all([startNode(), startNode(), startNode()])
    const [a, b, c] = nodes
    try {
      let reached = 0
      a.mesh.handle('mail', async (_from, payload) => {
        reached += 1
        await new Promise((resolve) => setTimeout(resolve, 20))
        return payload
      })
      await connectAll(...nodes)
      const stop = new AbortController()
      const hammering = (async () => {
        while (!stop.signal.aborted)
          await c.mesh.request(a.id, 'mail', new Uint8Array(1)).catch(() => new Promise((r) => setTimeout(r, 5)))
      })()
      await until('its requests arrive', () => reached > 3)
      a.gate.evict(c.id)
      assert.ok(!a.mesh.connected().includes(c.id), 'at once')
      const atEviction = reached
      b.gate.evict(c.id)
      await until('it has nobody', () => c.mesh.connected().length === 0, 1_000)
      // It goes on dialling: a node that was thrown out need not know.
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      stop.abort()
      await hammering
      assert.equal(reached, atEviction)
      assert.deepEqual(a.mesh.connected(), [b.id])
      assert.deepEqual(c.mesh.connected(), [])
    } finally {
      await Promise.all(nodes.map((node) => node.mesh.stop()))
    }
  })

  test('reaches no service before it has greeted', async () => {
    await using node = await startNode({ clock: fastClock(10) })
    let reached = 0
    node.mesh.handle('mail', async (_from, payload) => {
      reached += 1
      return payload
    })
    await using impolite = await createStranger()
    node.gate.add(impolite.id, [])
    const connection = await impolite.dial(node)
    const answer = await converse(
      connection,
      `${protocolPrefix}mail`,
      encodeRequest(1, 1_000, new Uint8Array(1)),
    ).catch(() => Buffer.alloc(0))
    assert.equal(answer.byteLength, 0)
    assert.equal(reached, 0)
    assert.deepEqual(node.mesh.connected(), [])
    // 10 s by the node's clock: who does not greet is shown out.
    await closes(connection, 3_000)
  })

  test('of another mesh is not up on either side', async () => {
    await using a = await startNode()
    await using b = await startNode({ start: false }).then(async (node) => {
      Object.assign(node.gate, { meshId: 'mesh-2' })
      await node.mesh.start()
      return node
    })
    const changes: string[] = []
    for (const node of [a, b]) node.mesh.onPeerChange((_peer, state) => changes.push(state))
    introduce(a, b)
    await until('they tried', () => total(a) > 0)
    await until('they gave up', () => total(a) === 0)
    await new Promise((resolve) => setTimeout(resolve, 500))
    assert.deepEqual(changes, [])
    assert.deepEqual(a.mesh.connected(), [])
  })

  test('whose HELLO the ledger refuses late, after it became no member, is not up', async () => {
    await using a = await startNode()
    await using b = await startNode()
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<void>()
    a.gate.acceptHello = async () => {
      asked.resolve()
      await answer.promise
    }
    introduce(a, b)
    await asked.promise
    a.gate.evict(b.id)
    answer.resolve()
    await until('it is gone', () => total(a) === 0)
    assert.deepEqual(a.mesh.connected(), [])
    assert.deepEqual(b.mesh.connected(), [])
  })

  test('at an address taken off the allow-list is cut off and let in again with it', async () => {
    await using a = await startNode({ ip: '127.0.0.21' })
    await using b = await startNode({ ip: '127.0.0.22' })
    await connectAll(a, b)
    a.gate.allows = (ip) => ip !== '127.0.0.22'
    a.gate.changed()
    assert.deepEqual(a.mesh.connected(), [])
    await until('the other side notices', () => b.mesh.connected().length === 0)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    assert.deepEqual(a.mesh.connected(), [])
    a.gate.allows = () => true
    a.gate.changed()
    await until('it is back', () => a.mesh.connected().length === 1 && b.mesh.connected().length === 1)
  })
})

describe('the switches', { concurrency: 8 }, () => {
  test('listen: a node that does not listen is part of the mesh by dialling', async () => {
    await using a = await startNode()
    await using b = await startNode({ settings: { listen: false } })
    echo(b)
    await connectAll(a, b)
    assert.deepEqual(b.mesh.listenAddresses(), [])
    assert.equal((await a.mesh.request(b.id, 'mail', new Uint8Array(3))).byteLength, 3)
  })

  test('serve: off, nobody gets in and nothing is answered; on again, all is well', async () => {
    await using a = await startNode()
    await using b = await startNode()
    echo(a)
    echo(b)
    await connectAll(a, b)
    b.mesh.configure({ serve: false })
    await until('others may not be connected to it', () => b.mesh.status().inboundConnections === 0)
    await until('it may still dial', () => b.mesh.connected().length === 1)
    await assert.rejects(a.mesh.request(b.id, 'mail', new Uint8Array(1)), { code: 'peer-not-serving' })
    await b.mesh.request(a.id, 'mail', new Uint8Array(1))
    b.mesh.configure({ serve: true })
    await a.mesh.request(b.id, 'mail', new Uint8Array(1))
  })

  test('connect: off, it waits to be dialled', async () => {
    await using a = await startNode({ settings: { connect: false } })
    await using b = await startNode({ settings: { connect: false } })
    introduce(a, b)
    await new Promise((resolve) => setTimeout(resolve, 700))
    assert.deepEqual(a.mesh.connected(), [])
    b.mesh.configure({ connect: true })
    await until('one dials', () => a.mesh.connected().length === 1)
    assert.equal(a.mesh.status().outboundConnections, 0)
  })

  test('limits: inbound and outbound connections', async () => {
    await using hub = await startNode({ settings: { inboundConnectionsMax: 1, connect: false } })
    await using a = await startNode({ settings: { listen: false } })
    await using b = await startNode({ settings: { listen: false } })
    introduce(hub, a, b)
    await until('one is in', () => hub.mesh.connected().length === 1)
    await new Promise((resolve) => setTimeout(resolve, 500))
    assert.equal(hub.mesh.connected().length, 1)
    await using c = await startNode({ settings: { outboundConnectionsMax: 1, serve: false } })
    await using d = await startNode()
    await using e = await startNode()
    introduce(c, d, e)
    await until('one is out', () => c.mesh.connected().length === 1)
    await new Promise((resolve) => setTimeout(resolve, 500))
    assert.equal(c.mesh.connected().length, 1)
  })

  test('announce: others are told the public address instead of the bound one', async () => {
    await using a = await startNode({ settings: { announceAddresses: ['/ip4/203.0.113.7/tcp/9835'] } })
    assert.match(a.mesh.listenAddresses()[0] ?? '', /^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\//)
    await using member = await createStranger()
    const { connection } = await greet(member, a)
    const told = await converse(connection, '/skein/id/1.0.0', Buffer.alloc(1), 500)
    assert.ok(told.includes(Buffer.from(multiaddr('/ip4/203.0.113.7/tcp/9835').bytes)))
    assert.ok(!told.includes(Buffer.from(multiaddr(`/ip4/127.0.0.1/tcp/${portOf(a)}`).bytes)))
  })

  test('an address in use is said so', async () => {
    await using a = await startNode()
    const b = await startNode({ port: portOf(a), start: false })
    await assert.rejects(b.mesh.start(), { code: 'listen-failed', message: /\/tcp\/\d+: another program/ })
    await b.mesh.stop()
  })
})

describe('the second factor', { concurrency: 8 }, () => {
  const factor = { user: 'mesh', password: 'a long word' }

  test('joins those who share it', async () => {
    await using a = await startNode({ settings: { secondFactor: factor } })
    await using b = await startNode({ settings: { secondFactor: { ...factor } } })
    await connectAll(a, b)
  })

  test('keeps a member out who has another or none, until both agree', async () => {
    await using a = await startNode({ settings: { secondFactor: factor } })
    await using b = await startNode({ settings: { secondFactor: { ...factor, password: 'wrong' } } })
    await using c = await startNode()
    introduce(a, b, c)
    await until('those without it meet', () => c.mesh.connected().length === 0 && total(a) > 0)
    await new Promise((resolve) => setTimeout(resolve, 700))
    assert.deepEqual(a.mesh.connected(), [])
    b.mesh.configure({ secondFactor: factor })
    await until('both agree', () => a.mesh.connected().includes(b.id), 20_000)
  })

  test('is asked of a newcomer too', async () => {
    await using a = await startNode({ settings: { secondFactor: factor } })
    a.gate.invite = 'let me in'
    await assert.rejects(knockAt([a], 'let me in'), { code: 'second-factor-wrong' })
    const other = { ...factor, user: 'other' }
    await assert.rejects(knockAt([a], 'let me in', { secondFactor: other }), { code: 'second-factor-wrong' })
    assert.deepEqual(a.gate.joined, [])
    await knockAt([a], 'let me in', { secondFactor: factor })
    assert.equal(a.gate.joined.length, 1)
  })
})

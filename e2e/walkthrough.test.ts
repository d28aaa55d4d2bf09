// The founding walk-through (DI-53, DI-25): nodes on different addresses share one domain with no DNS; a letter crosses the mesh;
// the lists are the same everywhere; nodes join through any member and leave for good.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { eventually, within } from './harness/poll.ts'
import { type SkeinNode, initNode, inviteFrom, joinNode, ports, skein, startMesh } from './harness/skein.ts'
import { SmtpClient } from './harness/smtp-client.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'
import { temporaryDirectory } from './harness/processes.ts'

/** What must be the same on every node: all but how the one asked sees the others. */
async function sharedNodeList(node: SkeinNode): Promise<unknown> {
  const nodes = await node.nodes()
  return nodes.map(({ name, id, addresses, priority, enabled, description, users, version }) => ({
    name,
    id,
    addresses,
    priority,
    enabled,
    description,
    users,
    version,
  }))
}

async function sameEverywhere(nodes: readonly SkeinNode[], what: string): Promise<void> {
  await eventually(
    async () => {
      const lists = await Promise.all(nodes.map((node) => sharedNodeList(node)))
      for (const list of lists.slice(1)) assert.deepEqual(list, lists[0])
      const users = await Promise.all(nodes.map((node) => node.rawJson(['user', 'list'])))
      for (const list of users.slice(1)) assert.equal(list, users[0])
      return true
    },
    { what, deadlineMs: 10_000 },
  )
}

async function mail(from: SkeinNode, sender: string, to: SkeinNode, recipient: string): Promise<string> {
  const { id, text } = letter(sender, recipient, `=?utf-8?B?${Buffer.from('雁字回时').toString('base64')}?=`)
  await using client = await submissionTo(from, sender)
  const reply = await client.send(sender, [recipient], text)
  assert.equal(reply.code, 250, reply.text)
  await received(to, recipient, id)
  return id
}

async function received(node: SkeinNode, user: string, id: string, deadlineMs = 20_000): Promise<Buffer> {
  await using client = await imapOf(node, user)
  return await eventually(
    async () => {
      await client.select('INBOX')
      const found = (await client.must(`SEARCH HEADER Message-ID "${id}"`)).untagged.find(({ text }) =>
        text.startsWith('* SEARCH'),
      )
      const numbers = found?.text.split(' ').slice(2) ?? []
      if (numbers.length === 0) return undefined
      assert.equal(numbers.length, 1, `letter ${id} is there ${numbers.length} times`)
      return [...(await client.fetchBodies(numbers[0] as string)).values()][0]
    },
    { what: `letter ${id} in the mailbox of ${user}`, deadlineMs },
  )
}

test('nodes of one domain share users, lists and letters without DNS', { timeout: 240_000 }, async (t) => {
  const stage = new Stage(t)
  let bj: SkeinNode
  let hk: SkeinNode
  let tw: SkeinNode
  let sz: SkeinNode

  await stage.step('three nodes start, each with a user of its own', async () => {
    const nodes = await startMesh(['bj', 'hk', 'tw'], { domains: ['test.com', 'mailer.com.cn'] })
    stage.add(...nodes)
    ;[bj, hk, tw] = nodes as [SkeinNode, SkeinNode, SkeinNode]
    await bj.addUser('aaa@test.com', password)
    await hk.addUser('bbb@test.com', password)
    await tw.addUser('ccc@test.com', password)
  })

  await stage.step('the node list and the user list are the same on every node', async () => {
    await sameEverywhere([bj, hk, tw], 'same node and user lists on three nodes')
    const users = await tw.users()
    assert.deepEqual(
      users.map(({ address, node }) => [address, node]),
      [
        ['aaa@test.com', 'bj'],
        ['bbb@test.com', 'hk'],
        ['ccc@test.com', 'tw'],
      ],
    )
  })

  await stage.step(
    'a letter from aaa on the first node reaches bbb on the second, with its route to be seen',
    async () => {
      const id = await mail(bj, 'aaa@test.com', hk, 'bbb@test.com')
      await eventually(
        async () => {
          const { events } = await bj.json<{ events: { what: string; nodeName: string }[] }>(['trace', `<${id}>`])
          const steps = events.map(({ what, nodeName }) => `${nodeName} ${what}`)
          assert.ok(steps.includes('bj accepted'), steps.join(', '))
          assert.ok(steps.includes('hk delivered'), steps.join(', '))
          return true
        },
        { what: 'the whole route in skein trace', deadlineMs: 10_000 },
      )
    },
  )

  await stage.step('an unknown user is refused at RCPT on every node', async () => {
    for (const node of [bj, hk, tw]) {
      await using client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
      await client.ehlo()
      await client.expect('MAIL FROM:<someone@elsewhere.test>', 250)
      await client.expect('RCPT TO:<nobody@test.com>', 550)
      await client.expect('RCPT TO:<bbb@test.com>', 250)
      await client.expect('RCPT TO:<someone@elsewhere.test>', 550)
    }
  })

  await stage.step('any node takes mail for any user from outside', async () => {
    const { id, text } = letter('someone@elsewhere.test', 'aaa@test.com', 'from outside')
    await using client = await SmtpClient.connect({ host: tw.address, port: ports.smtp })
    await client.ehlo()
    const reply = await client.send('someone@elsewhere.test', ['aaa@test.com'], text)
    assert.equal(reply.code, 250, reply.text)
    await received(bj, 'aaa@test.com', id)
  })

  await stage.step('after a restart of all nodes the lists are the same and letters flow', async () => {
    await Promise.all([bj, hk, tw].map((node) => node.restart()))
    await sameEverywhere([bj, hk, tw], 'same lists after a restart')
    await mail(hk, 'bbb@test.com', tw, 'ccc@test.com')
  })

  await stage.step('a node that was down gets its mail when it returns', async () => {
    await tw.stop()
    const { id, text } = letter('aaa@test.com', 'ccc@test.com', 'while you were out')
    await using client = await submissionTo(bj, 'aaa@test.com')
    const reply = await client.send('aaa@test.com', ['ccc@test.com'], text)
    assert.equal(reply.code, 250, reply.text)
    const waiting = await bj.json<{ messageId: string }[]>(['queue', 'list'])
    assert.equal(waiting.length, 1)
    await tw.start()
    await received(tw, 'ccc@test.com', id, 60_000)
    await eventually(async () => (await bj.json<unknown[]>(['queue', 'list'])).length === 0, {
      what: 'an empty queue',
    })
  })

  let token: string
  let lastInviteEndsAt = 0
  await stage.step(
    'a fourth node joins through any of them, and every node lists it and its users within 5 s',
    async () => {
      token = await inviteFrom(tw)
      sz = await joinNode(token, { name: 'sz' })
      stage.add(sz)
      await sz.start()
      await sz.addUser('ddd@test.com', password)
      for (const node of [bj, hk, tw]) {
        await eventually(async () => (await node.nodes()).some(({ name, users }) => name === 'sz' && users === 1), {
          what: `sz and its user listed on ${node.name}`,
          deadlineMs: 5_000,
        })
      }
      await sameEverywhere([bj, hk, tw, sz], 'same lists on four nodes')
      await mail(sz, 'ddd@test.com', bj, 'aaa@test.com')
      await mail(hk, 'bbb@test.com', sz, 'ddd@test.com')
    },
  )

  await stage.step('a node joins though the one that invited it is silent', async () => {
    const fromBj = await inviteFrom(bj)
    await bj.stop()
    const gz = await joinNode(fromBj, { name: 'gz' })
    stage.add(gz)
    await gz.start()
    await bj.start()
    for (const node of [bj, hk, tw]) {
      await eventually(async () => (await node.nodes()).some(({ name }) => name === 'gz'), {
        what: `gz listed on ${node.name}`,
        deadlineMs: 10_000,
      })
    }
    await gz.must(['node', 'remove', 'gz'])
    await eventually(async () => (await bj.nodes()).every(({ name }) => name !== 'gz'), { what: 'gz gone by itself' })
    await gz.stop()
  })

  await stage.step('a token works once, and not after its time', async () => {
    // While no invitation is open a stranger is not even let in to be told why; with this one it is.
    await inviteFrom(tw, '--ttl', '15s')
    lastInviteEndsAt = performance.now() + 16_000
    const again = await skein(joinArguments(token, 'again'))
    assert.equal(again.code, 1, again.stderr)
    assert.match(again.stderr, /used/i)
    const short = await inviteFrom(tw, '--ttl', '500ms')
    await delay(1_000)
    const late = await skein(joinArguments(short, 'late'))
    assert.equal(late.code, 1, late.stderr)
    assert.match(late.stderr, /expired/i)
    const names = (await bj.nodes()).map(({ name }) => name)
    assert.deepEqual(names, ['bj', 'hk', 'sz', 'tw'])
  })

  await stage.step('a node set from another node is known everywhere', async () => {
    await hk.must(['node', 'set', 'bj', '--priority', '7', '--description', '北京 first floor'])
    await eventually(
      async () => {
        for (const node of [bj, tw, sz]) {
          const found = (await node.nodes()).find(({ name }) => name === 'bj')
          assert.deepEqual([found?.priority, found?.description], [7, '北京 first floor'])
        }
        return true
      },
      { what: 'new priority of bj on every node', deadlineMs: 5_000 },
    )
  })

  await stage.step('a removed node gets no connection and no data', async () => {
    await bj.must(['node', 'remove', 'sz', '--reason', 'stolen'])
    await hk.must(['node', 'remove', 'sz', '--reason', 'stolen'])
    for (const node of [bj, hk, tw]) {
      await eventually(async () => (await node.nodes()).every(({ name }) => name !== 'sz'), {
        what: `sz gone from ${node.name}`,
        deadlineMs: 5_000,
      })
    }
    await bj.addUser('secret@test.com', password)
    for (const node of [hk, tw]) {
      await eventually(async () => (await node.users()).some(({ address }) => address === 'secret@test.com'), {
        what: `the new user on ${node.name}`,
        deadlineMs: 5_000,
      })
    }
    // The members have it; had sz still been served it would have come as fast. Restarted, it knocks again, in vain.
    await sz.restart()
    await delay(3_000)
    assert.ok(!(await sz.users()).some(({ address }) => address === 'secret@test.com'))
    for (const node of [bj, hk, tw]) {
      const { peers } = await node.json<{ peers: { name: string }[] }>(['status'])
      assert.ok(!peers.some(({ name }) => name === 'sz'), `${node.name} has sz as a peer`)
    }
  })

  await stage.step('a stranger with a mesh of its own gets nothing by knocking', async () => {
    const stranger = await initNode({ name: 'stranger', domains: ['test.com'] })
    stage.add(stranger)
    await stranger.start()
    const ownToken = await inviteFrom(stranger)
    // A token of another mesh that points at our node: the seed means nothing there.
    const forged = await skein(joinArguments(redirectToken(ownToken, stranger.address, bj.address), 'forger'))
    assert.notEqual(forged.code, 0)
    const names = (await bj.nodes()).map(({ name }) => name)
    assert.deepEqual(names, ['bj', 'hk', 'tw'])
  })

  await stage.step('a libp2p dialler without an invitation gets no byte on any protocol', async () => {
    // The last open invitation must be over: to a guest the door would answer.
    await delay(Math.max(0, lastInviteEndsAt - performance.now()))
    const purposes = ['hello', 'join', 'log', 'mail', 'repl', 'own', 'proxy', 'admin'].map((name) => `/skein/1/${name}`)
    for (const protocol of [...purposes, '/skein/kad/1.0.0', '/skein/id/1.0.0', '/skein/ping/1.0.0']) {
      assert.equal(await bytesForStranger(bj.address, protocol), 0, protocol)
    }
    await mail(bj, 'aaa@test.com', hk, 'bbb@test.com')
  })
})

/** Dials with a fresh key, opens one stream, says something, and counts what comes back until the other side ends it. */
async function bytesForStranger(address: string, protocol: string): Promise<number> {
  const node = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  })
  let bytes = 0
  try {
    const connection = await node.dial(multiaddr(`/ip4/${address}/tcp/${ports.mesh}`), {
      signal: AbortSignal.timeout(5_000),
    })
    const closed = new Promise<void>((resolve) => connection.addEventListener('close', () => resolve(), { once: true }))
    const stream = await connection.newStream(protocol, { signal: AbortSignal.timeout(5_000) })
    stream.addEventListener('message', ({ data }) => (bytes += data.byteLength))
    stream.send(Uint8Array.from({ length: 64 }, (_, index) => index))
    // A stranger is thrown out by itself; a connection that stays open past every limit is a failure too.
    await within(closed, 20_000, `end of the stranger's connection on ${protocol}`)
  } catch (error) {
    if (/end of the stranger/.test(String(error))) throw error
    // Refused while dialling or on opening the stream: just what a stranger should meet.
  } finally {
    await node.stop()
  }
  return bytes
}

function joinArguments(token: string, name: string): string[] {
  const data = `${temporaryDirectory(name)}/data`
  return ['join', token, '--name', name, '--bind', '127.0.0.1', '--profile', 'dev', '--data', data]
}

/** The token with one address put for another inside: what somebody would forge who knows only where a member listens. */
function redirectToken(token: string, from: string, to: string): string {
  const prefix = 'skein1:'
  assert.ok(token.startsWith(prefix), token)
  const bytes = Buffer.from(token.slice(prefix.length), 'base64url')
  const text = bytes.toString('latin1')
  // CBOR strings carry their length: only an address just as long can be put in place.
  assert.equal(from.length, to.length)
  assert.ok(text.includes(from), 'the token holds the address of its node')
  return prefix + Buffer.from(text.replaceAll(from, to), 'latin1').toString('base64url')
}

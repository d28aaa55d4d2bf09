import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep } from '@skein/runtime'
import { letter, twoNodes } from './mesh-fixture.ts'

test('mail for a node that is down waits, and goes the moment it is back', async () => {
  const mesh = await twoNodes()
  mesh.crash('hk')
  await mesh.clock.advance(500)
  for (let i = 0; i < 40; i++) await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(3600_000)
  const stats = mesh.node('bj').delivery.stats()
  assert.deepEqual([stats.letters, stats.recipients], [40, 40])
  const [line] = stats.destinations
  assert.ok(line && line.failures > 5, 'the destination backs off')
  const attempts = mesh
    .node('bj')
    .delivery.control.list()
    .map((item) => item.recipients[0]?.attempts)
  assert.ok(attempts.every((it) => it === 0))
  const nextMs = mesh.node('bj').delivery.control.list()[0]?.recipients[0]?.nextAttemptMs ?? 0
  assert.ok(nextMs >= mesh.clock.nowMs() && nextMs <= mesh.clock.nowMs() + 72_000)
  await mesh.start('hk')
  await mesh.clock.advance(1500)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 40)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('letters that fail together are one failure of their destination', async () => {
  const mesh = await twoNodes({ outsideDeliveriesAtStart: 8 })
  mesh.outside = async ({ recipients }, destination) => {
    await sleep(mesh.clock, 200)
    const result = { kind: 'temporary', code: 451, status: '4.4.1', text: 'no answer', courier: 'outside' } as const
    const hop = destination.kind === 'outside' ? destination.domain : ''
    return recipients.map(() => ({ ...result, hop, atMs: mesh.clock.nowMs() }))
  }
  const source = mesh.submitter('aaa@test.com')
  for (let i = 0; i < 8; i++) await mesh.accept('bj', 'aaa@test.com', ['x@example.org'], letter, source)
  await mesh.clock.advance(1_000)
  assert.equal(mesh.node('bj').sent.length, 8)
  assert.equal(mesh.node('bj').delivery.stats().destinations[0]?.failures, 1)
})

test('what failed because the line broke does not hold letters back once it is there again', async () => {
  const mesh = await twoNodes()
  // Requests that are under way are answered by nobody, and fail after their time, long after the peer is back.
  for (let i = 0; i < 20; i++) await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  mesh.crash('hk')
  await mesh.start('hk')
  await mesh.clock.advance(35_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 20)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('an account that has moved gets its mail at its new home, mail that waits for the old one too', async () => {
  const mesh = await twoNodes()
  await mesh.start('tw')
  mesh.crash('hk')
  await mesh.clock.advance(500)
  await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(60_000)
  const entry = mesh.map.account('bbb@test.com', 'tw')
  await mesh.clock.runUntil(mesh.node('tw').mailboxes.createAccount(entry.accountId, { quotaBytes: 1e9, epoch: 2 }))
  mesh.map.changed()
  await mesh.clock.advance(2000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
})

test('a node that is not the home says so, and the letter waits for the maps to agree', async () => {
  const mesh = await twoNodes()
  const entry = mesh.map.entries.get('bbb@test.com')
  assert.ok(entry)
  const lagging = mesh.map.view('hk')
  const { byAccountId } = lagging
  let agrees = false
  lagging.byAccountId = (id) => {
    const found = byAccountId(id)
    return !agrees && found ? { ...found, home: 'tw' } : found
  }
  mesh.map.view = () => lagging
  mesh.crash('hk')
  await mesh.start('hk')
  await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(3000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 0)
  const [item] = mesh.node('bj').delivery.control.list()
  assert.match(item?.recipients[0]?.lastResult?.text ?? '', /at tw/)
  agrees = true
  await mesh.clock.advance(70_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
})

test('a name that changes hands while a letter is under way: whom it meant gets it, nobody else', async () => {
  const mesh = await twoNodes()
  await mesh.start('tw')
  await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(1)
  mesh.crash('bj')
  const before = mesh.map.entries.get('bbb@test.com')
  assert.ok(before)
  mesh.map.entries.delete('bbb@test.com')
  const after = mesh.map.account('bbb@test.com', 'tw')
  mesh.map.entries.set('bbb~000000@test.com', { ...before, address: 'bbb~000000@test.com', state: 'renamed' })
  assert.notEqual(after.accountId, before.accountId)
  await mesh.clock.runUntil(mesh.node('tw').mailboxes.createAccount(after.accountId, { quotaBytes: 1e9, epoch: 1 }))
  mesh.map.changed()
  await mesh.start('bj')
  await mesh.clock.advance(120_000)
  assert.equal((await mesh.inbox('bbb~000000@test.com')).length, 1)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 0)
  await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(5_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
})

test('requests that the network doubles or loses put a letter in once', async () => {
  const mesh = await twoNodes({}, { dropChance: 0.3, duplicateChance: 0.5 })
  for (let i = 0; i < 30; i++) await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(30 * 60_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 30)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('a crash at any moment: acknowledged letters are in exactly one mailbox, once', async () => {
  let acknowledgedInAll = 0
  for (let seed = 0; seed < 25; seed++) {
    const mesh = await twoNodes({}, { dropChance: 0.05, duplicateChance: 0.1 })
    const acknowledged: string[] = []
    const submit = async (n: number) => {
      const to = ['aaa@test.com', 'bbb@test.com'].slice(n % 3 === 0 ? 0 : 1)
      const text = `Message-ID: <${n}@x>\r\nSubject: ${n}\r\n\r\nbody of ${n}\r\n`
      mesh.send('bj', 's@example.org', to, text).then(
        () => acknowledged.push(...to.map((address) => `${n} ${address}`)),
        () => {},
      )
    }
    for (let n = 0; n < 12; n++) {
      await submit(n)
      await mesh.clock.advance(((seed * 7 + n * 13) % 11) / 5)
      if (n % 4 !== 3) continue
      const victim = (seed + n) % 8 < 4 ? 'bj' : 'hk'
      mesh.crash(victim)
      await mesh.clock.advance((seed % 5) * 10)
      await mesh.start(victim)
    }
    await mesh.clock.advance(10 * 60_000)
    const found = new Map<string, number>()
    for (const address of ['aaa@test.com', 'bbb@test.com']) {
      for (const { text } of await mesh.inbox(address)) {
        const key = `${/Subject: (\d+)/.exec(text)?.[1]} ${address}`
        found.set(key, (found.get(key) ?? 0) + 1)
      }
    }
    acknowledgedInAll += acknowledged.length
    for (const key of acknowledged) assert.equal(found.get(key), 1, `seed ${seed}: ${key}`)
    for (const [key, count] of found) assert.equal(count, 1, `seed ${seed}: ${key}`)
    assert.equal(mesh.node('bj').delivery.stats().letters, 0)
  }
  assert.ok(acknowledgedInAll > 200, `only ${acknowledgedInAll} deliveries were acknowledged`)
})

test('a crash between failure and notice: the sender is told once', async () => {
  for (let cutMs = 0; cutMs < 6; cutMs += 0.25) {
    const mesh = await twoNodes()
    mesh.outside = async ({ recipients }) =>
      recipients.map(() => ({
        atMs: mesh.clock.nowMs(),
        kind: 'permanent',
        code: 550,
        status: '5.1.1',
        text: 'no',
        courier: 'outside',
        hop: 'mx',
      }))
    const plain = 'From: aaa@test.com\r\n\r\nx\r\n'
    await mesh.accept('bj', 'aaa@test.com', ['x@example.org', 'y@example.org'], plain, mesh.submitter('aaa@test.com'))
    await mesh.clock.advance(cutMs)
    mesh.crash('bj')
    await mesh.start('bj')
    await mesh.clock.advance(60_000)
    const notices = await mesh.inbox('aaa@test.com')
    assert.equal(notices.length, 1, `cut after ${cutMs} ms`)
    assert.match(notices[0]?.text ?? '', /x@example\.org[^]*y@example\.org/)
  }
})

test('an upload that breaks off leaves nothing, and the next attempt brings the letter', async () => {
  const mesh = await twoNodes({}, { delayMinMs: 5, delayMaxMs: 5 })
  const big = Buffer.concat([Buffer.from(letter), Buffer.alloc(2_000_000, 'x\r\n')])
  await mesh.accept('bj', 's@example.org', ['bbb@test.com'], big)
  for (let i = 0; i < 100 && mesh.node('hk').delivery.stats().uploads === 0; i++) await mesh.clock.advance(1)
  assert.equal(mesh.node('hk').delivery.stats().uploads, 1)
  mesh.network.partition([['bj'], ['hk']])
  await mesh.clock.advance(61_000)
  assert.equal(mesh.node('hk').delivery.stats().uploads, 0)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 0)
  mesh.network.heal()
  await mesh.clock.advance(10_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
})

test('more uploads than a node takes from one peer wait their turn', async () => {
  const mesh = await twoNodes({ peerUploadsPerPeerMax: 2 }, { delayMinMs: 5, delayMaxMs: 5 })
  const big = Buffer.concat([Buffer.from(letter), Buffer.alloc(600_000, 'x\r\n')])
  for (let i = 0; i < 6; i++) await mesh.accept('bj', 's@example.org', ['bbb@test.com'], big)
  let most = 0
  for (let i = 0; i < 600; i++) {
    await mesh.clock.advance(100)
    most = Math.max(most, mesh.node('hk').delivery.stats().uploads)
  }
  assert.ok(most > 0 && most <= 2, `${most} uploads at once`)
  await mesh.clock.advance(600_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 6)
})

test('letters that wait for a dead node all follow when its users get a new home, a part of them at a time', async () => {
  const mesh = await twoNodes({ rerouteLettersMax: 3 })
  await mesh.start('tw')
  mesh.crash('hk')
  await mesh.clock.advance(500)
  for (let i = 0; i < 11; i++) await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(20_000)
  const entry = mesh.map.account('bbb@test.com', 'tw')
  await mesh.clock.runUntil(mesh.node('tw').mailboxes.createAccount(entry.accountId, { quotaBytes: 1e9, epoch: 2 }))
  mesh.map.changed()
  await mesh.clock.advance(3_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 11)
})

// Addresses outside that nobody has: refused to our users for a day after three letters came back, remembered over crashes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isErrorCode } from '@skein/runtime'
import { type MeshFixture, strangerSource, twoNodes } from './mesh-fixture.ts'

const hourMs = 3600_000
const plain = 'From: aaa@test.com\r\n\r\nx\r\n'

async function deadWorld(settings: Parameters<typeof twoNodes>[0] = {}) {
  const mesh = await twoNodes(settings)
  const world = { kind: 'permanent' as 'permanent' | 'delivered' | 'temporary', code: 550, status: '5.1.1' }
  mesh.outside = async ({ recipients }) =>
    recipients.map(() => {
      return { ...world, atMs: mesh.clock.nowMs(), text: 'no such user', courier: 'outside', hop: 'mx.other.example' }
    })
  const send = async (to = 'ghost@other.example') => {
    await mesh.accept('bj', 'aaa@test.com', [to], plain, mesh.submitter('aaa@test.com'))
    await mesh.clock.advance(1000)
  }
  return { mesh, world, send }
}

function verdict(mesh: MeshFixture, to = 'ghost@other.example', source = mesh.submitter('aaa@test.com')): string {
  const said = mesh.node('bj').delivery.intake.checkRecipient(source, to, 'aaa@test.com')
  return said.kind === 'accepted' ? 'accepted' : `${said.code} ${said.status} ${said.text}`
}

test('three letters that came back: the fourth is refused at RCPT with what was said, whichever case it is written in', async () => {
  const { mesh, send } = await deadWorld()
  await send()
  await send('Ghost@Other.example')
  assert.equal(verdict(mesh), 'accepted')
  await send()
  assert.match(
    verdict(mesh),
    /^550 5\.1\.1 3 letters to that address came back lately \(550 5\.1\.1 no such user\); not tried again before 20/,
  )
  assert.match(verdict(mesh, 'GHOST@other.example'), /^550 5\.1\.1/)
  assert.equal(verdict(mesh, 'other@other.example'), 'accepted')
  assert.match(verdict(mesh, 'ghost@other.example', strangerSource), /^550 5\.7\.1 relaying/)
  const [known] = mesh.node('bj').delivery.deadAddresses.list()
  assert.deepEqual([known?.address, known?.failures.length], ['ghost@other.example', 3])
})

test('after a day one may try again: the next one that comes back closes it for another day, one that arrives opens it', async () => {
  const { mesh, world, send } = await deadWorld()
  for (let i = 0; i < 3; i++) await send()
  await mesh.clock.advance(24 * hourMs)
  assert.equal(verdict(mesh), 'accepted')
  await send()
  assert.match(verdict(mesh), /^550/)
  await mesh.clock.advance(24 * hourMs)
  world.kind = 'delivered'
  await send()
  world.kind = 'permanent'
  await send()
  await send()
  assert.equal(verdict(mesh), 'accepted')
})

test('what is far apart, temporary, or about the letter is no reason; one letter that fails twice counts once', async () => {
  const { mesh, world, send } = await deadWorld()
  for (let i = 0; i < 5; i++) {
    await send()
    await mesh.clock.advance(4 * 24 * hourMs)
  }
  assert.equal(verdict(mesh), 'accepted')
  for (const [kind, status] of [
    ['permanent', '5.7.1'],
    ['permanent', '5.2.2'],
    ['temporary', '4.2.1'],
  ] as const) {
    Object.assign(world, { kind, status })
    for (let i = 0; i < 4; i++) await send('busy@other.example')
  }
  assert.equal(verdict(mesh, 'busy@other.example'), 'accepted')
  Object.assign(world, { kind: 'permanent', status: '5.1.1' })
  const to = ['one@other.example', 'two@other.example']
  await mesh.accept('bj', 'aaa@test.com', [...to, 'One@other.example'], plain, mesh.submitter('aaa@test.com'))
  await mesh.clock.advance(1000)
  const known = mesh
    .node('bj')
    .delivery.deadAddresses.list()
    .find(({ address }) => address === to[0])
  assert.equal(known?.failures.length, 1)
})

test('a crash forgets nothing; an operator clears an address; what is old goes by itself, and no more are kept than the limit', async () => {
  const { mesh, send } = await deadWorld({ suppressionAddressesMax: 3 })
  for (let i = 0; i < 3; i++) await send()
  mesh.crash('bj')
  await mesh.start('bj')
  assert.match(verdict(mesh), /^550/)
  const { deadAddresses } = mesh.node('bj').delivery
  await mesh.clock.runUntil(deadAddresses.remove('Ghost@other.example'))
  assert.equal(verdict(mesh), 'accepted')
  await assert.rejects(deadAddresses.remove('ghost@other.example'), (error) => isErrorCode(error, 'not-suppressed'))
  for (const name of ['a', 'b', 'c', 'd']) await send(`${name}@other.example`)
  assert.deepEqual(
    deadAddresses.list().map(({ address }) => address),
    ['d@other.example', 'c@other.example', 'b@other.example'],
  )
  await mesh.clock.advance(7 * 24 * hourMs)
  assert.deepEqual(deadAddresses.list(), [])
  await mesh.clock.advance(1000)
  mesh.crash('bj')
  await mesh.start('bj')
  assert.deepEqual(mesh.node('bj').delivery.deadAddresses.list(), [])
})

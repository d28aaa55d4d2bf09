// A destination that is down for five days, on a virtual clock: when it is asked, what the sender hears and when, and that a
// crash in the middle neither doubles a notice nor loses or prolongs a letter's life. README.md, "When to try again".
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { twoNodes, type MeshFixture } from './mesh-fixture.ts'
import type { DeliveryResult } from './ports.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const plain = (subject: string) => `From: aaa@test.com\r\nSubject: ${subject}\r\n\r\nx\r\n`

interface World {
  mesh: MeshFixture
  startMs: number
  /** When the destination was asked, and for how many letters it was asked at a time. */
  askedMs: number[]
  /** The same by the other node, for this one. */
  peerAskedMs: number[]
  atOnceMax: number
  isUp: boolean
  arrived: string[]
}

async function downWorld(): Promise<World> {
  const mesh = await twoNodes()
  const world: World = {
    mesh,
    startMs: mesh.clock.nowMs(),
    askedMs: [],
    peerAskedMs: [],
    atOnceMax: 0,
    isUp: false,
    arrived: [],
  }
  let running = 0
  mesh.outside = async ({ item, recipients }, destination, node): Promise<DeliveryResult[]> => {
    const atMs = mesh.clock.nowMs()
    const hop = 'mx.example.org'
    const isDown = destination.kind === 'outside' && destination.domain === 'example.org' && !world.isUp
    if (!isDown) {
      world.arrived.push(item.id)
      return recipients.map(() => ({
        atMs,
        kind: 'delivered',
        code: 250,
        status: '2.0.0',
        text: 'ok',
        courier: 'outside',
        hop,
      }))
    }
    if (node === 'bj') world.askedMs.push(atMs - world.startMs)
    else world.peerAskedMs.push(atMs - world.startMs)
    world.atOnceMax = Math.max(world.atOnceMax, ++running)
    await new Promise<void>((resolve) => void mesh.clock.setTimer(30_000, resolve))
    running--
    return recipients.map(() => {
      return { atMs, kind: 'temporary', code: 451, status: '4.4.1', text: 'no answer', courier: 'outside', hop }
    })
  }
  return world
}

const send = ({ mesh }: World, subject: string, to = 'x@example.org') =>
  mesh.accept('bj', 'aaa@test.com', [to], plain(subject), mesh.submitter('aaa@test.com'))

async function notices({ mesh }: World): Promise<string[]> {
  const inbox = await mesh.inbox('aaa@test.com')
  return inbox.map(({ text }) => {
    const action = /^Action: (\w+)/im.exec(text)?.[1]
    const status = /^Status: ([\d.]+)/im.exec(text)?.[1]
    return `${action} ${status} ${/Subject: (letter \d)/.exec(text)?.[1]}`
  })
}

/** Pauses between attempts, in minutes. */
const pauses = (asked: readonly number[]) => asked.slice(1).map((atMs, i) => (atMs - (asked[i] as number)) / minuteMs)

test('five days down: the table of pauses, then every half hour; a notice of delay after 4 hours, the last word after 5 days', async () => {
  const world = await downWorld()
  const { mesh, askedMs } = world
  await send(world, 'letter 1')
  await mesh.clock.advance(4 * hourMs - minuteMs)
  assert.deepEqual(await notices(world), [])
  await mesh.clock.advance(2 * minuteMs)
  assert.deepEqual(await notices(world), ['delayed 4.4.1 letter 1'])
  await mesh.clock.advance(5 * dayMs - 4 * hourMs - 2 * minuteMs)
  assert.deepEqual(await notices(world), ['delayed 4.4.1 letter 1'])
  await mesh.clock.advance(40 * minuteMs)
  assert.deepEqual(await notices(world), ['delayed 4.4.1 letter 1', 'failed 5.4.7 letter 1'])
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)

  const documented = [1, 5, 15, 30]
  for (const [i, pause] of pauses(askedMs).entries()) {
    const wanted = documented[i] ?? 30
    // The 30 s that an attempt takes count too; a domain's pause is never longer than half an hour.
    assert.ok(pause >= wanted * 0.8 && pause <= Math.min(wanted * 1.2, 30) + 1, `pause ${i} is ${pause} minutes`)
  }
  // Patient, and yet never more than about fifty times a day.
  assert.ok(askedMs.length >= 200 && askedMs.length <= 320, `${askedMs.length} attempts`)
  // The peer tried once too, and is not bothered again: it may know no better.
  assert.equal(world.peerAskedMs.length, 1)
  const asked = askedMs.length
  await mesh.clock.advance(2 * dayMs)
  assert.equal(askedMs.length, asked)
})

test('many letters for it wait together: one at a time asks, others go their way, all go at once when it is up', async () => {
  const world = await downWorld()
  const { mesh } = world
  for (let n = 1; n <= 5; n++) await send(world, `letter ${n}`)
  for (let day = 0; day < 4; day++) {
    await mesh.clock.advance(dayMs)
    await send(world, 'letter 9', 'y@other.example')
    await mesh.clock.advance(1000)
    assert.equal(world.arrived.length, day + 1)
  }
  // The first letter found out; until then others had started.
  assert.ok(world.atOnceMax <= 5)
  const perDay = world.askedMs.filter((atMs) => atMs > dayMs && atMs <= 2 * dayMs).length
  assert.ok(perDay >= 40 && perDay <= 70, `${perDay} attempts a day for five letters`)
  world.isUp = true
  await mesh.clock.advance(40 * minuteMs)
  assert.equal(world.arrived.length, 4 + 5)
  assert.equal(new Set(world.arrived).size, 9)
  assert.deepEqual(
    (await notices(world)).filter((it) => !it.startsWith('delayed')),
    [],
  )
})

test('crashes in the middle: one notice of delay, one last word, at the same time as without them', async () => {
  const world = await downWorld()
  const { mesh } = world
  const { queueId } = await send(world, 'letter 1')
  for (const [hours, down] of [
    [3, 2],
    [1, 0],
    [30, 20],
    [40, 1],
  ] as const) {
    await mesh.clock.advance(hours * hourMs)
    mesh.crash('bj')
    await mesh.clock.advance(down * hourMs)
    const asked = world.askedMs.length
    await mesh.start('bj')
    // At its time, or at once where that has passed; the domain's pauses begin anew.
    await mesh.clock.advance(36 * minuteMs)
    assert.ok(world.askedMs.length > asked)
    assert.equal(mesh.node('bj').delivery.control.list()[0]?.id, queueId)
  }
  assert.deepEqual(await notices(world), ['delayed 4.4.1 letter 1'])
  const leftMs = world.startMs + 5 * dayMs - mesh.clock.nowMs()
  await mesh.clock.advance(leftMs - minuteMs)
  assert.equal(mesh.node('bj').delivery.stats().letters, 1)
  await mesh.clock.advance(40 * minuteMs)
  assert.deepEqual(await notices(world), ['delayed 4.4.1 letter 1', 'failed 5.4.7 letter 1'])
  mesh.crash('bj')
  await mesh.start('bj')
  await mesh.clock.advance(dayMs)
  assert.equal((await notices(world)).length, 2)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('a node that was off for the whole time tries once more before it gives up', async () => {
  for (const isUp of [true, false]) {
    const world = await downWorld()
    const { mesh } = world
    await send(world, 'letter 1')
    mesh.crash('bj')
    await mesh.clock.advance(8 * dayMs)
    world.isUp = isUp
    await mesh.start('bj')
    await mesh.clock.advance(40 * minuteMs)
    assert.equal(world.arrived.length, isUp ? 1 : 0)
    const told = await notices(world)
    assert.deepEqual(
      told.filter((it) => it.startsWith('failed')),
      isUp ? [] : ['failed 5.4.7 letter 1'],
    )
    assert.equal(mesh.node('bj').delivery.stats().letters, 0)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DoorFixture } from './door-fixture.ts'
import { doorLimits } from './limits.ts'
import type { DoorRule } from './static-lists.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const good = '192.0.2.1'
const named = { 'ptr 192.0.2.1': ['mx.example.org.'], 'a mx.example.org': ['192.0.2.1'] }

async function pair(seed: number, settings = {}): Promise<DoorFixture> {
  const mesh = new DoorFixture(seed)
  await mesh.open('a', settings)
  await mesh.open('b', settings)
  await mesh.clock.advance(1_000)
  return mesh
}

test('a trusted address is asked for nothing', async () => {
  const mesh = await pair(1)
  assert.equal(mesh.doors.get('a')?.enter({ remoteAddress: '127.0.0.1', role: 'mx' }), undefined)
  assert.equal(mesh.doors.get('a')?.enter({ remoteAddress: '::ffff:127.0.0.1', role: 'submission' }), undefined)
  assert.deepEqual(mesh.asked, [])
})

const reverse: [what: string, address: string, dns: DoorFixture['dns'], name: string, said: string][] = [
  ['confirmed', good, named, 'mx.example.org', 'ok'],
  [
    'confirmed by the second name',
    good,
    { ...named, 'ptr 192.0.2.1': ['no.example', 'MX.example.org'] },
    'mx.example.org',
    'ok',
  ],
  ['no name', good, {}, '', '550 5.7.25'],
  ['a name of another', good, { ...named, 'a mx.example.org': ['192.0.2.2'] }, '', '550 5.7.25'],
  ['no host name', good, { 'ptr 192.0.2.1': ['a b\r\n.example'] }, '', '550 5.7.25'],
  ['the DNS fails', good, { 'ptr 192.0.2.1': 'fails' }, '', 'ok'],
  ['the forward DNS fails', good, { ...named, 'a mx.example.org': 'fails' }, '', 'ok'],
  ['the DNS is silent', good, { 'ptr 192.0.2.1': 'silent' }, '', 'ok'],
  [
    'IPv6 in other words',
    '2001:db8::1',
    { 'ptr 2001:db8::1': ['six.example'], 'aaaa six.example': ['2001:DB8:0:0:0::1'] },
    'six.example',
    'ok',
  ],
]
for (const [what, address, dns, name, said] of reverse) {
  test(`reverse DNS: ${what}`, async () => {
    const mesh = await pair(2, { withoutName: 'refuse', greylist: 'off' })
    mesh.dns = dns
    const visit = mesh.enter('a', address)
    assert.equal(await mesh.said(visit.greet()), 'ok')
    const { refusal, tookMs } = await mesh.answer(visit.sender('x@example.net', null))
    assert.equal(refusal, null)
    assert.ok(tookMs <= doorLimits.lookupWaitMs)
    assert.equal(visit.remoteName, name)
    assert.equal(await mesh.said(visit.recipient('anna@example.com')), said)
    assert.equal(await mesh.said(visit.recipient('postmaster@example.com')), 'ok')
  })
}

test('a DNS that is silent holds a session once, and after some sessions none at all', async () => {
  const mesh = await pair(3, { greylist: 'off' })
  mesh.dns = { 'ptr 192.0.2.1': 'fails' }
  const took: number[] = []
  for (let n = 0; n < doorLimits.silentAfterFailures + 1; n++) {
    const visit = mesh.enter('a', good)
    visit.greet()
    took.push((await mesh.answer(visit.sender('x@example.net', null))).tookMs)
  }
  mesh.asked.length = 0
  const visit = mesh.enter('a', good)
  visit.greet()
  await mesh.answer(visit.sender('x@example.net', null))
  assert.deepEqual(mesh.asked, [])
  await mesh.clock.advance(doorLimits.silentForMs)
  mesh.enter('a', good).greet()
  assert.deepEqual(mesh.asked, ['ptr 192.0.2.1'])
})

/* ---------------------------------------------------------------- fixed lists */

const rule = (list: 'block' | 'allow', subject: string, more: Partial<DoorRule> = {}): DoorRule => ({
  list,
  subject,
  reason: '',
  untilMs: null,
  ...more,
})

const ruled: [rules: DoorRule[], address: string, from: string, said: string][] = [
  [[rule('block', '198.51.100.7')], '198.51.100.7', 'x@example.net', '554 5.7.1'],
  [[rule('block', '198.51.100.0/24')], '198.51.100.7', 'x@example.net', '554 5.7.1'],
  [[rule('block', '198.51.100.0/24'), rule('allow', '198.51.100.7')], '198.51.100.7', 'x@example.net', 'ok'],
  [[rule('allow', '198.51.100.0/24'), rule('block', '198.51.100.7')], '198.51.100.7', 'x@example.net', '554 5.7.1'],
  [[rule('block', '2001:db8::/32')], '2001:db8:1::5', 'x@example.net', '554 5.7.1'],
  [[rule('block', '2001:db8::/32')], '198.51.100.7', 'x@example.net', 'ok'],
  [[rule('block', 'example.net')], '198.51.100.7', 'x@example.net', '550 5.7.1'],
  [[rule('block', 'example.net')], '198.51.100.7', 'x@Mail.Example.NET', '550 5.7.1'],
  [[rule('block', 'example.net')], '198.51.100.7', 'x@myexample.net', 'ok'],
  [[rule('block', 'x@example.net')], '198.51.100.7', 'X@example.net', '550 5.7.1'],
  [[rule('block', 'example.net'), rule('allow', 'x@example.net')], '198.51.100.7', 'x@example.net', 'ok'],
  [[rule('block', 'example.net')], '198.51.100.7', '', 'ok'],
  [[rule('block', 'example.net', { untilMs: 1 })], '198.51.100.7', 'x@example.net', 'ok'],
]
for (const [rules, address, from, said] of ruled) {
  test(`fixed lists: ${rules.map(({ list, subject }) => `${list} ${subject}`).join(', ')}: ${from} at ${address}`, async () => {
    const mesh = await pair(4, { greylist: 'off' })
    mesh.setRules(rules)
    assert.equal(await mesh.letter('a', address, from, 'anna@example.com'), said)
  })
}

/* ---------------------------------------------------------------- greylist */

test('a letter without a host name waits, and passes at another node after the pause', async () => {
  const mesh = await pair(5)
  assert.equal(await mesh.letter('a', '198.51.100.7', 'x@example.net', 'anna@example.com'), '451 4.7.1')
  await mesh.clock.advance(2_000)
  const early = mesh.enter('b', '198.51.100.9')
  early.greet()
  await mesh.answer(early.sender('x@example.net', null))
  const { refusal } = await mesh.answer(early.recipient('anna@example.com'))
  assert.match(refusal?.text ?? '', /try again in 29\d s/)
  await mesh.clock.advance(doorLimits.greylistPauseMs)
  // From another address of its network, as large senders do.
  assert.equal(await mesh.letter('b', '198.51.100.9', 'x@example.net', 'anna@example.com'), 'ok')
  await mesh.clock.advance(30 * 24 * hourMs)
  assert.equal(await mesh.letter('a', '198.51.100.7', 'x@example.net', 'Anna@example.com'), 'ok')
})

test('who does not come back in time is new again', async () => {
  const mesh = await pair(6)
  assert.equal(await mesh.letter('a', '198.51.100.7', 'x@example.net', 'anna@example.com'), '451 4.7.1')
  await mesh.clock.advance(doorLimits.greylistRetryWithinMs + 1)
  assert.equal(await mesh.letter('a', '198.51.100.7', 'x@example.net', 'anna@example.com'), '451 4.7.1')
})

test('who has come back twice is not asked to again, at any node', async () => {
  const mesh = await pair(7)
  for (const to of ['anna@example.com', 'bert@example.com']) {
    assert.equal(await mesh.letter('a', '198.51.100.7', 'x@example.net', to), '451 4.7.1')
    await mesh.clock.advance(doorLimits.greylistPauseMs)
    assert.equal(await mesh.letter('a', '198.51.100.7', 'x@example.net', to), 'ok')
  }
  await mesh.clock.advance(2_000)
  assert.equal(await mesh.letter('b', '198.51.100.8', 'y@example.net', 'cleo@example.com'), 'ok')
})

const senders: [string, string][] = [
  ['bounces-1234-anna=example.com@list.example', 'bounces-9876-anna=example.com@list.example'],
  ['prvs=2345abcd=x@example.net', 'prvs=6789ef01=x@example.net'],
  ['SRS0=HHH=TT=example.org=anna@fwd.example', 'SRS0=JJJ=UU=example.org=anna@fwd.example'],
  ['msg+7f83b1657ff1fc53@example.net', 'msg+0a4d55a8d778e502@example.net'],
]
for (const [first, second] of senders) {
  test(`greylist: ${first} and ${second} are one sender`, async () => {
    const mesh = await pair(8)
    assert.equal(await mesh.letter('a', '198.51.100.7', first, 'anna@example.com'), '451 4.7.1')
    await mesh.clock.advance(doorLimits.greylistPauseMs)
    assert.equal(await mesh.letter('a', '198.51.100.7', second, 'anna@example.com'), 'ok')
    assert.equal(await mesh.letter('a', '198.51.100.7', 'other@example.net', 'anna@example.com'), '451 4.7.1')
  })
}

const greylisting: [greylist: 'off' | 'suspicious' | 'all', address: string, dns: DoorFixture['dns'], said: string][] =
  [
    ['off', '198.51.100.7', {}, 'ok'],
    ['suspicious', good, named, 'ok'],
    ['suspicious', good, {}, '451 4.7.1'],
    ['suspicious', good, { 'ptr 192.0.2.1': 'fails' }, 'ok'],
    ['suspicious', '10.1.2.3', {}, 'ok'],
    ['suspicious', 'fd00::7', {}, 'ok'],
    ['all', '10.1.2.3', {}, '451 4.7.1'],
    ['all', good, named, '451 4.7.1'],
  ]
for (const [greylist, address, dns, said] of greylisting) {
  test(`greylist ${greylist}, ${JSON.stringify(dns)}: ${said}`, async () => {
    const mesh = await pair(9, { greylist })
    mesh.dns = dns
    assert.equal(await mesh.letter('a', address, 'x@example.net', 'anna@example.com'), said)
    assert.equal(await mesh.letter('a', address, 'x@example.net', 'postmaster@example.com'), 'ok')
  })
}

/* ---------------------------------------------------------------- limits, mesh-wide */

test('connections, sessions, letters, recipients: each has its code, and counts over both nodes', async () => {
  const settings = {
    greylist: 'off',
    limits: {
      connectionsPerAddressPer10MinMax: 40,
      lettersPerAddressPerHourMax: 20,
      sessionsPerAddressMax: 3,
    },
  } as const
  const mesh = await pair(10, settings)
  const held = [1, 2, 3].map(() => mesh.enter('a', good))
  for (const visit of held) assert.equal(await mesh.said(visit.greet()), 'ok')
  assert.equal(await mesh.letter('a', good, 'x@example.net', 'anna@example.com'), '421 4.7.0')
  for (const visit of held) visit.leave()
  const outcomes: string[] = []
  for (let n = 0; n < 60; n++) {
    outcomes.push(await mesh.letter(n % 2 ? 'a' : 'b', good, 'x@example.net', `u${n}@example.com`))
    await mesh.clock.advance(1_000)
  }
  const taken = outcomes.filter((said) => said === 'ok').length
  assert.ok(taken >= 20 && taken <= 22, `${taken} letters taken, 20 allowed`)
  assert.ok(outcomes.includes('451 4.7.1'))
  assert.equal(outcomes.at(-1), '421 4.7.0')
  // Another address is served.
  assert.equal(await mesh.letter('a', '192.0.2.99', 'x@example.net', 'anna@example.com'), 'ok')
  // And this one again, later.
  await mesh.clock.advance(2 * hourMs)
  assert.equal(await mesh.letter('b', good, 'x@example.net', 'anna@example.com'), 'ok')
  assert.ok((mesh.doors.get('a')?.stats().refused['too-many-letters'] ?? 0) > 0)
})

test('a mailbox that is flooded from many addresses over both nodes takes only so much', async () => {
  const mesh = await pair(11, { greylist: 'off', limits: { lettersPerRecipientPerHourMax: 20 } })
  const outcomes: string[] = []
  for (let n = 0; n < 30; n++) {
    outcomes.push(await mesh.letter(n % 2 ? 'a' : 'b', `192.0.${n}.1`, 'x@example.net', 'anna@example.com'))
    await mesh.clock.advance(1_000)
  }
  const taken = outcomes.filter((said) => said === 'ok').length
  assert.ok(taken >= 20 && taken <= 22, `${taken}`)
  assert.equal(outcomes.at(-1), '450 4.2.1')
})

/* ---------------------------------------------------------------- guessing */

test('a dictionary attack waits longer and longer, then is banned at every node; a pardon lifts it', async () => {
  const mesh = await pair(13, { greylist: 'off' })
  const waits: number[] = []
  let visit = mesh.enter('a', good)
  visit.greet()
  let refusal = null
  for (let n = 0; n < 100 && refusal?.reason !== 'guessing-recipients'; n++) {
    if (refusal) {
      visit.leave()
      visit = mesh.enter('a', good)
      visit.greet()
    }
    const answer = await mesh.answer(visit.refusedRecipient())
    refusal = answer.refusal
    waits.push(Math.round(answer.tookMs))
    if (mesh.doors.get('a')?.bans().length === 0 && refusal) refusal = { ...refusal, reason: 'again' }
  }
  assert.deepEqual(waits.slice(0, 5), [0, 0, 0, 0, 0])
  assert.equal(waits[5], doorLimits.tarpitFirstMs)
  assert.ok(waits.includes(doorLimits.tarpitMaxMs))
  assert.equal(refusal?.code, 421)
  visit.leave()
  await mesh.clock.advance(1_000)
  for (const id of ['a', 'b']) {
    assert.equal(await mesh.letter(id, good, 'x@example.net', 'anna@example.com'), '421 4.7.1')
    assert.deepEqual(
      mesh.doors
        .get(id)
        ?.bans()
        .map(({ address, by }) => [address, by]),
      [[good, 'a']],
    )
  }
  assert.equal(await mesh.letter('b', '192.0.2.99', 'x@example.net', 'anna@example.com'), 'ok')
  await mesh.clock.advance(1_000)
  assert.equal(mesh.doors.get('b')?.pardon(good), true)
  await mesh.clock.advance(1_000)
  for (const id of ['a', 'b']) assert.equal(await mesh.letter(id, good, 'x@example.net', 'anna@example.com'), 'ok')
})

for (const addresses of [
  Array.from({ length: 40 }, (_, n) => `192.0.2.${n}`),
  Array.from({ length: 40 }, (_, n) => `2001:db8:1:${n}::1`),
]) {
  test(`guesses from all over a site, ${addresses[0]} and on, end sessions there and nobody else’s`, async () => {
    const mesh = await pair(20, { greylist: 'off', limits: { unknownRecipientsPerHourMax: 5 } })
    const said: string[] = []
    for (const [n, address] of addresses.entries()) {
      const visit = mesh.enter(n % 2 ? 'a' : 'b', address)
      visit.greet()
      said.push(await mesh.said(visit.refusedRecipient()))
      visit.leave()
      await mesh.clock.advance(1_000)
    }
    const ended = said.indexOf('421 4.7.1')
    assert.ok(ended >= 20 && ended <= 23, `${ended}`)
    assert.equal(mesh.doors.get('a')?.bans().length, 0)
    const elsewhere = mesh.enter('a', '198.51.100.1')
    elsewhere.greet()
    assert.equal(await mesh.said(elsewhere.refusedRecipient()), 'ok')
    // An honest letter from among them is taken.
    assert.equal(await mesh.letter('a', addresses[39] as string, 'x@example.net', 'anna@example.com'), 'ok')
  })
}

test('a ban ends by itself; the next one is twice as long', async () => {
  const mesh = await pair(14, { greylist: 'off', limits: { unknownRecipientsPerHourMax: 2, unknownRecipientsFree: 9 } })
  const guess = async (id: string) => {
    const visit = mesh.enter(id, good)
    visit.greet()
    for (let n = 0; n < 4; n++) await mesh.answer(visit.refusedRecipient())
    visit.leave()
    await mesh.clock.advance(1_000)
    const [ban] = mesh.doors.get('b')?.bans() ?? []
    return ban ? ban.untilMs - ban.sinceMs : 0
  }
  assert.equal(await guess('a'), doorLimits.banFirstMs)
  await mesh.clock.advance(doorLimits.banFirstMs)
  assert.equal(await mesh.letter('b', good, 'x@example.net', 'anna@example.com'), 'ok')
  assert.equal(await guess('b'), 2 * doorLimits.banFirstMs)
})

test('a session in which nearly all recipients are wrong is ended', async () => {
  const mesh = await pair(15, {
    greylist: 'off',
    limits: { unknownRecipientsFree: 100, unknownRecipientsPerHourMax: 100 },
  })
  const visit = mesh.enter('a', good)
  visit.greet()
  const said: string[] = []
  for (let n = 0; n < 10; n++) said.push(await mesh.said(visit.refusedRecipient()))
  assert.deepEqual([said[8], said[9]], ['ok', '421 4.7.1'])
  // A list with some dead addresses is not that.
  const list = mesh.enter('a', '192.0.2.50')
  list.greet()
  for (let n = 0; n < 30; n++) {
    assert.equal(await mesh.said(list.recipient(`u${n}@example.com`)), 'ok')
    if (n % 2) assert.equal(await mesh.said(list.refusedRecipient()), 'ok')
  }
})

test('the tarpit holds only so many; whoever leaves makes room at once', async () => {
  const mesh = await pair(16, { greylist: 'off', limits: { tarpitSessionsMax: 2, unknownRecipientsFree: 0 } })
  const visits = [1, 2, 3].map((n) => mesh.enter('a', `192.0.2.${n}`))
  const answers = visits.map((visit) => {
    visit.greet()
    return visit.refusedRecipient()
  })
  assert.ok(answers[0] instanceof Promise && answers[1] instanceof Promise)
  assert.equal(await mesh.said(answers[2] ?? null), '421 4.7.1')
  assert.equal(mesh.doors.get('a')?.stats().tarpit.waiting, 2)
  visits[0]?.leave()
  assert.equal(mesh.doors.get('a')?.stats().tarpit.waiting, 1)
  assert.equal((await mesh.answer(answers[0] ?? null)).tookMs, 0)
})

test('a good name is known everywhere: more is taken, and nothing waits', async () => {
  const mesh = await pair(17, { limits: { lettersPerAddressPerHourMax: 30 } })
  mesh.dns = named
  for (let n = 0; n < 25; n++) {
    assert.equal(await mesh.letter('a', good, 'x@example.net', `u${n}@example.com`), 'ok')
    await mesh.clock.advance(hourMs)
  }
  mesh.dns = {}
  for (let n = 0; n < 60; n++) {
    assert.equal(await mesh.letter('b', good, `y${n}@example.net`, `u${n}@example.com`), 'ok', `letter ${n}`)
  }
})

test('a bad name gets few sessions', async () => {
  const mesh = await pair(18, { limits: { unknownRecipientsFree: 1000, unknownRecipientsPerHourMax: 1000 } })
  const visit = mesh.enter('a', good)
  visit.greet()
  for (let n = 0; n < 30; n++) void visit.refusedRecipient()
  visit.leave()
  await mesh.clock.advance(1_000)
  const outcomes = []
  for (let n = 0; n < 5; n++) outcomes.push(await mesh.said(mesh.enter('b', '192.0.2.77').greet()))
  assert.deepEqual(outcomes, ['ok', 'ok', 'ok', '421 4.7.0', '421 4.7.0'])
})

test('what the door knows survives a restart', async () => {
  const mesh = await pair(19)
  await mesh.letter('a', '198.51.100.7', 'x@example.net', 'anna@example.com')
  await mesh.nodes.get('a')?.stop()
  await mesh.nodes.get('b')?.stop()
  for (const id of ['a', 'b']) mesh.network.crash(id)
  await mesh.clock.advance(doorLimits.greylistPauseMs)
  await mesh.open('a')
  assert.equal(await mesh.letter('a', '198.51.100.7', 'x@example.net', 'anna@example.com'), 'ok')
})

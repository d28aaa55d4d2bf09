import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reversedName } from './client-network.ts'
import { DoorFixture } from './door-fixture.ts'
import { type DnsListSettings, parseDnsList } from './dns-lists.ts'
import { doorLimits } from './limits.ts'

const sound = {
  'a 2.0.0.127.bl.example': ['127.0.0.2'],
  'a test.bl.example': ['127.0.0.2'],
  'a TEST.bl.example': ['127.0.0.2'],
}
const client = '192.0.2.1'

test('names of addresses in a list (RFC 5782 §2.1, §2.4)', () => {
  assert.equal(reversedName('192.0.2.99'), '99.2.0.192')
  assert.equal(
    reversedName('2001:db8:1:2:3:4:567:89ab'),
    'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2',
  )
  assert.equal(reversedName('::1'), `1.${'0.'.repeat(30)}0`)
  assert.equal(reversedName('::ffff:192.0.2.1'), '1.2.0.192')
})

const bl = (more: Partial<DnsListSettings> = {}): DnsListSettings => ({ zone: 'bl.example', ...more })
const listed = { ...sound, 'a 1.2.0.192.bl.example': ['127.0.0.4'] }

const cases: [
  what: string,
  lists: DnsListSettings[],
  dns: DoorFixture['dns'],
  said: string,
  more?: { from?: string; helo?: string; address?: string },
][] = [
  ['listed', [bl()], listed, '554 5.7.1'],
  ['not listed', [bl()], sound, 'ok'],
  [
    'IPv6',
    [bl()],
    { ...sound, [`a ${reversedName('2001:db8::5')}.bl.example`]: ['127.0.0.2'] },
    '554 5.7.1',
    { address: '2001:db8::5' },
  ],
  ['with another code than those that count', [bl({ codes: ['127.0.0.2', '127.0.0.8/29'] })], listed, 'ok'],
  ['with a code that counts', [bl({ codes: ['127.0.0.4/30'] })], listed, '554 5.7.1'],
  ['too light', [bl({ weight: 0.5 })], listed, 'ok'],
  [
    'light, twice',
    [bl({ weight: 0.5 }), bl({ weight: 0.5, zone: 'two.example' })],
    { ...listed, 'a 2.0.0.127.two.example': ['127.0.0.2'], 'a 1.2.0.192.two.example': ['127.0.0.2'] },
    '554 5.7.1',
  ],
  [
    'on a list of friends too',
    [bl(), bl({ weight: -1, zone: 'wl.example' })],
    { ...listed, 'a 2.0.0.127.wl.example': ['127.0.0.2'], 'a 1.2.0.192.wl.example': ['127.0.10.1'] },
    'ok',
  ],
  ['an answer that is no list’s', [bl()], { ...sound, 'a 1.2.0.192.bl.example': ['203.0.113.80'] }, 'ok'],
  ['a list that does not serve us', [bl()], { ...sound, 'a 1.2.0.192.bl.example': ['127.255.255.254'] }, 'ok'],
  ['a list that has the whole world', [bl()], { ...listed, 'a 1.0.0.127.bl.example': ['127.0.0.2'] }, 'ok'],
  ['a list that is empty', [bl()], { 'a 1.2.0.192.bl.example': ['127.0.0.2'] }, 'ok'],
  ['a list that fails', [bl()], { ...sound, 'a 1.2.0.192.bl.example': 'fails' }, 'ok'],
  ['a list that is silent', [bl()], { ...sound, 'a 1.2.0.192.bl.example': 'silent' }, 'ok'],
  [
    'a sender’s domain',
    [bl({ of: 'domain' })],
    { ...sound, 'a bad.example.bl.example': ['127.0.0.2'] },
    '554 5.7.1',
    { from: 'x@Bad.example' },
  ],
  [
    'HELO’s domain',
    [bl({ of: 'domain' })],
    { ...sound, 'a bad.example.bl.example': ['127.0.0.2'] },
    '554 5.7.1',
    { helo: 'bad.example' },
  ],
  ['HELO with an address', [bl({ of: 'domain' })], sound, 'ok', { helo: '[192.0.2.1]' }],
]
for (const [
  what,
  lists,
  dns,
  said,
  { from = 'x@example.net', helo = 'client.example', address = client } = {},
] of cases) {
  test(`DNS list: ${what}`, async () => {
    const mesh = new DoorFixture(1)
    await mesh.open('a', { lists, greylist: 'off' })
    mesh.dns = dns
    const before = mesh.clock.monotonicMs()
    assert.equal(await mesh.letter('a', address, from, 'anna@example.com', helo), said)
    assert.ok(mesh.clock.monotonicMs() - before <= doorLimits.lookupWaitMs)
    // RFC 5321 §4.5.1: who is listed can complain.
    assert.equal(await mesh.letter('a', address, from, 'postmaster@example.com', helo), 'ok')
  })
}

test('the refusal says which list, and what the list says of it', async () => {
  const mesh = new DoorFixture(2)
  await mesh.open('a', { lists: [bl()] })
  mesh.dns = { ...listed, 'txt 1.2.0.192.bl.example': ['see https://bl.example/192.0.2.1\r\n250 ok'] }
  const visit = mesh.enter('a', client)
  visit.greet()
  await mesh.answer(visit.sender('x@example.net', null))
  const { refusal } = await mesh.answer(visit.recipient('anna@example.com'))
  assert.match(refusal?.text ?? '', /listed by bl\.example: see https:\/\/bl\.example\/192\.0\.2\.1\?\?250 ok$/)
})

test('a list below the threshold makes its address wait', async () => {
  const mesh = new DoorFixture(3)
  await mesh.open('a', { lists: [bl({ weight: 0.5 })] })
  mesh.dns = { ...listed, 'ptr 192.0.2.1': ['mx.example.org'], 'a mx.example.org': [client] }
  assert.equal(await mesh.letter('a', client, 'x@example.net', 'anna@example.com'), '451 4.7.1')
})

test('a list that does not answer is passed over, asked again later, and logged once', async () => {
  const mesh = new DoorFixture(4)
  await mesh.open('a', { lists: [bl()], greylist: 'off' })
  mesh.dns = { 'a 2.0.0.127.bl.example': 'fails' }
  for (let n = 0; n < 20; n++) assert.equal(await mesh.letter('a', client, 'x@example.net', 'anna@example.com'), 'ok')
  assert.equal(mesh.warnings.length, 1)
  assert.match(mesh.warnings[0] ?? '', /bl\.example.*did not answer/)
  assert.equal(mesh.asked.filter((name) => name.includes('bl.example')).length, doorLimits.silentAfterFailures)
  mesh.dns = listed
  await mesh.clock.advance(doorLimits.silentForMs)
  assert.equal(await mesh.letter('a', client, 'x@example.net', 'anna@example.com'), '554 5.7.1')
})

test('lists as they stand in the configuration', () => {
  assert.deepEqual(parseDnsList('bl.example'), { zone: 'bl.example' })
  assert.deepEqual(parseDnsList(' bl.example of=domain codes=127.0.0.2,127.0.0.4/30 weight=-1.5 '), {
    zone: 'bl.example',
    of: 'domain',
    codes: ['127.0.0.2', '127.0.0.4/30'],
    weight: -1.5,
  })
  const wrong = [
    '',
    'bl',
    'bl.example of=name',
    'bl.example codes=',
    'bl.example codes=192.0.2.1',
    'bl.example codes=x',
  ]
  for (const text of [
    ...wrong,
    'bl.example weight=much',
    'bl.example 127.0.0.2',
    'bl..example',
    'bl.example\nx.example',
  ]) {
    assert.throws(() => parseDnsList(text), RangeError, text)
  }
})

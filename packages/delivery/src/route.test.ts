import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkRecipient } from './recipient-check.ts'
import { checkSender } from './sender-check.ts'
import { DirectoryFixture } from './directory-fixture.ts'
import { deliveryLimits } from './limits.ts'
import { expandAddress, queueAddress, routeAddress } from './route.ts'

function mesh() {
  const map = new DirectoryFixture()
  const aaa = map.account('aaa@test.com', 'n1')
  const bbb = map.account('bbb@test.com', 'n2')
  map.account('gone@test.com', 'n1', 'suspended')
  map.aliases.set('all@test.com', ['aaa@test.com', 'bbb@test.com', 'AAA@test.com', 'staff@test.com'])
  map.aliases.set('staff@test.com', ['bbb@test.com', 'partner@Example.ORG', 'nobody@test.com'])
  map.aliases.set('one@test.com', ['two@test.com'])
  map.aliases.set('two@test.com', ['one@test.com'])
  map.aliases.set('self@test.com', ['self@test.com', 'aaa@test.com'])
  map.aliases.set('list@test.com', ['aaa+list@test.com'])
  return { map, directory: map.view('n1'), aaa, bbb }
}

const stranger = { kind: 'smtp' as const, account: null }

test('an address leads to its own mailbox, to its home, or outside', () => {
  const { directory, aaa, bbb } = mesh()
  assert.deepEqual(routeAddress(directory, 'aaa@test.com'), { kind: 'local', accountId: aaa.accountId })
  assert.deepEqual(routeAddress(directory, 'bbb@test.com'), { kind: 'peer', node: 'n2', accountId: bbb.accountId })
  assert.deepEqual(routeAddress(directory, 'x@example.org'), { kind: 'outside', domain: 'example.org' })
})

test('a +tag leads to the mailbox without it, unless somebody has the whole name', () => {
  const { map, directory, aaa } = mesh()
  assert.deepEqual(routeAddress(directory, 'aaa+shop@test.com'), { kind: 'local', accountId: aaa.accountId })
  const exact = map.account('aaa+shop@test.com', 'n1')
  assert.deepEqual(routeAddress(directory, 'aaa+shop@test.com'), { kind: 'local', accountId: exact.accountId })
})

test('unknown and suspended names are refused with their own codes', () => {
  const { directory } = mesh()
  const codes = ['nobody@test.com', 'nobody+tag@test.com', 'gone@test.com', 'gone+tag@test.com', 'one@test.com'].map(
    (address) => {
      const route = routeAddress(directory, address)
      return route.kind === 'refused' ? `${route.code} ${route.status}` : route.kind
    },
  )
  assert.deepEqual(codes, ['550 5.1.1', '550 5.1.1', '550 5.2.1', '550 5.2.1', '550 5.4.6'])
})

test('aliases are followed to their ends, each end once, dead ends passed over', () => {
  const { directory } = mesh()
  const { targets, refusals } = expandAddress(directory, 'ALL@test.com')
  assert.deepEqual(targets, ['aaa@test.com', 'bbb@test.com', 'partner@example.org'])
  assert.deepEqual(
    refusals.map((it) => `${it.address} ${it.refusal.status}`),
    ['nobody@test.com 5.1.1'],
  )
})

test('aliases that go in a circle end, and lose only the circle', () => {
  const { directory } = mesh()
  assert.deepEqual(expandAddress(directory, 'one@test.com').targets, [])
  assert.deepEqual(expandAddress(directory, 'self@test.com').targets, ['aaa@test.com'])
})

test('aliases are followed no deeper and no wider than the limits', () => {
  const map = new DirectoryFixture()
  map.account('end@test.com', 'n1')
  const depth = deliveryLimits.aliasDepthMax
  for (let i = 0; i <= depth; i++)
    map.aliases.set(`a${i}@test.com`, [i === depth ? 'end@test.com' : `a${i + 1}@test.com`])
  const directory = map.view('n1')
  assert.deepEqual(expandAddress(directory, 'a1@test.com').targets, ['end@test.com'])
  assert.deepEqual(expandAddress(directory, 'a0@test.com').targets, [])
  const wide = deliveryLimits.aliasExpandedRecipientsMax
  map.aliases.set(
    'wide@test.com',
    Array.from({ length: wide + 5 }, (_, i) => `u${i}@example.org`),
  )
  const { targets, refusals } = expandAddress(directory, 'wide@test.com')
  assert.deepEqual([targets.length, refusals.length], [wide, 5])
})

test("an outside address keeps its local part's case, ours does not", () => {
  const { directory } = mesh()
  assert.equal(queueAddress(directory, 'John.Doe@Example.ORG'), 'John.Doe@example.org')
  assert.equal(queueAddress(directory, 'AAA@TEST.com'), 'aaa@test.com')
  assert.equal(queueAddress(directory, 'not an address'), undefined)
})

test('postmaster leads to an account or alias of that name, else to an administrator', () => {
  const { map, directory, aaa, bbb } = mesh()
  const settings = { administrators: () => ['boss@example.org', 'nobody@test.com', 'bbb@test.com', 'aaa@test.com'] }
  const to = (address: string) => routeAddress(directory, address, settings)
  assert.equal(queueAddress(directory, 'Postmaster'), 'postmaster@test.com')
  assert.deepEqual(to('postmaster@test.com'), { kind: 'peer', node: 'n2', accountId: bbb.accountId })
  assert.deepEqual(to('postmaster+x@mailer.com.cn'), { kind: 'peer', node: 'n2', accountId: bbb.accountId })
  assert.equal(routeAddress(directory, 'postmaster@test.com').kind, 'refused')
  map.aliases.set('postmaster@test.com', ['aaa@test.com'])
  assert.deepEqual(to('postmaster@test.com'), { kind: 'local', accountId: aaa.accountId })
})

test('a domain without a postmaster of its own shares that of another', () => {
  const { map, directory, aaa } = mesh()
  map.aliases.set('postmaster@test.com', ['aaa@test.com'])
  const expected = { kind: 'local', accountId: aaa.accountId }
  assert.deepEqual(routeAddress(directory, 'postmaster@mailer.com.cn'), expected)
  assert.deepEqual(routeAddress(directory, 'postmaster+x@mailer.com.cn'), expected)
})

test('an alias that became a list while the letter waited is refused, not delivered to one of many', () => {
  const { directory } = mesh()
  const route = routeAddress(directory, 'all@test.com')
  assert.equal(route.kind === 'refused' && route.status, '5.1.6')
  assert.equal(routeAddress(directory, 'list@test.com').kind, 'local')
})

test('RCPT: strangers reach our users only, who is logged in reaches the world, full mailboxes wait', () => {
  const { directory, aaa } = mesh()
  const components = { directory, isOverQuota: (id: string) => id === aaa.accountId }
  const say = (kind: 'smtp' | 'submission', address: string) => {
    const verdict = checkRecipient(components, { kind }, address)
    return verdict.kind === 'accepted' ? verdict.address : `${verdict.code} ${verdict.status}`
  }
  assert.equal(say('smtp', 'x@example.org'), '550 5.7.1')
  assert.equal(say('submission', 'x@example.org'), 'x@example.org')
  assert.equal(say('smtp', 'nobody@test.com'), '550 5.1.1')
  assert.equal(say('submission', 'nobody@test.com'), '550 5.1.1')
  assert.equal(say('smtp', 'aaa@test.com'), '452 4.2.2')
  assert.equal(say('smtp', 'bbb@test.com'), 'bbb@test.com')
  assert.equal(say('smtp', 'gone@test.com'), '550 5.2.1')
  assert.equal(say('smtp', 'all@test.com'), 'all@test.com')
  assert.equal(say('smtp', 'one@test.com'), '550 5.4.6')
  assert.equal(say('smtp', '@test.com'), '501 5.1.3')
})

test('MAIL: a session that is logged in sends nothing more once its account is suspended or removed', () => {
  const { map, directory, aaa } = mesh()
  const source = { kind: 'submission', account: { id: aaa.accountId, address: aaa.address } } as const
  const codes = () => ['aaa@test.com', ''].map((from) => checkSender(directory, source, from).kind)
  assert.deepEqual(codes(), ['accepted', 'accepted'])
  map.account('aaa@test.com', aaa.home, 'suspended')
  assert.deepEqual(codes(), ['refused', 'refused'])
  map.entries.delete('aaa@test.com')
  assert.deepEqual(codes(), ['refused', 'refused'])
})

test('MAIL: who is logged in uses his address, its tags, and aliases that lead to him', () => {
  const { directory, aaa } = mesh()
  const account = { id: aaa.accountId, address: aaa.address }
  const may = (from: string, source: Parameters<typeof checkSender>[1] = { kind: 'submission', account }) =>
    checkSender(directory, source, from).kind === 'accepted'
  for (const from of ['aaa@test.com', 'AAA@Test.com', 'aaa+shop@test.com', 'all@test.com', 'list@test.com', '']) {
    assert.ok(may(from), from)
  }
  for (const from of [
    'bbb@test.com',
    'staff@test.com',
    'aaa@mailer.com.cn',
    'x@example.org',
    'nobody@test.com',
    'a b',
  ]) {
    assert.ok(!may(from), from)
  }
  assert.ok(may('x@example.org', stranger))
  assert.ok(!may('aaa@test.com', { kind: 'submission', account: null }))
})

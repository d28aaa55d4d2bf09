// What an address means by its domain's rules: catch-all, domain alias, roles, and the +tag behind an alias.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DirectoryFixture } from './directory-fixture.ts'
import { checkRecipient } from './recipient-check.ts'
import { expandAddress, routeAddress } from './route.ts'
import { checkSender } from './sender-check.ts'

function mesh() {
  const map = new DirectoryFixture(['test.com', 'shop.example', 'mailer.com.cn'])
  const aaa = map.account('aaa@test.com', 'n1')
  map.account('bbb@test.com', 'n2')
  map.account('gone@test.com', 'n1', 'suspended')
  map.account('own@shop.example', 'n1')
  map.account('aaa~0123ab@test.com', 'n2', 'renamed')
  map.aliases.set('sales@test.com', ['aaa@test.com'])
  map.aliases.set('team@test.com', ['aaa@test.com', 'bbb@test.com'])
  map.aliases.set('away@test.com', ['x@other.example'])
  map.aliases.set('deep@test.com', ['sales@test.com'])
  map.aliases.set('tagged@test.com', ['aaa+fixed@test.com'])
  set(map, 'shop.example', { aliasOf: 'test.com' })
  return { map, directory: map.view('n1'), aaa }
}

function set(map: DirectoryFixture, name: string, settings: { catchAll?: string; aliasOf?: string }): void {
  map.domains.set(name, { name, policy: 'auto', replicas: 0, ...settings })
}

const settings = { administrators: () => ['bbb@test.com'] }

/** Where each leads, or the status of the refusal. */
function ends(map: DirectoryFixture, addresses: readonly string[]): string[] {
  return addresses.map((address) => {
    const { targets, refusals } = expandAddress(map.view('n1'), address, settings)
    return targets.length > 0 ? targets.join(' ') : (refusals[0]?.refusal.status ?? 'nowhere')
  })
}

const table = (map: DirectoryFixture, rows: readonly (readonly [string, string])[]): void => {
  const addresses = rows.map(([address]) => address)
  assert.deepEqual(
    ends(map, addresses).map((end, at) => [addresses[at], end]),
    rows.map(([address, end]) => [address, end]),
  )
}

test('a +tag stays where an alias is one user’s, and goes where it would say nothing', () => {
  table(mesh().map, [
    ['sales+x@test.com', 'aaa+x@test.com'],
    ['deep+x@test.com', 'aaa+x@test.com'],
    ['sales+x+y@test.com', 'aaa+x+y@test.com'],
    ['team+x@test.com', 'aaa@test.com bbb@test.com'],
    ['away+x@test.com', 'x@other.example'],
    ['tagged+x@test.com', 'aaa+fixed@test.com'],
    [`sales+${'x'.repeat(58)}@test.com`, `aaa+${'x'.repeat(58)}@test.com`],
    ['sales@test.com', 'aaa@test.com'],
  ])
})

test('a catch-all gets what nobody has, and nothing else', () => {
  const { map } = mesh()
  set(map, 'test.com', { catchAll: 'aaa@test.com' })
  table(map, [
    ['nobody@test.com', 'aaa@test.com'],
    ['nobody+x@test.com', 'aaa@test.com'],
    ['bbb@test.com', 'bbb@test.com'],
    ['bbb+x@test.com', 'bbb+x@test.com'],
    ['gone@test.com', '5.2.1'],
    ['gone+x@test.com', '5.2.1'],
    ['away@test.com', 'x@other.example'],
    ['aaa~0123ab@test.com', 'aaa~0123ab@test.com'],
    // Whoever runs the mesh gets them under these names.
    ['postmaster@test.com', 'postmaster@test.com'],
    ['abuse@test.com', 'abuse@test.com'],
    ['hostmaster+x@test.com', 'hostmaster+x@test.com'],
    ['webmaster@test.com', 'aaa@test.com'],
    ['nobody@mailer.com.cn', '5.1.1'],
  ])
  const bbb = map.entries.get('bbb@test.com')
  const route = routeAddress(map.view('n1'), 'abuse@test.com', settings)
  assert.deepEqual(route, { kind: 'peer', node: 'n2', accountId: bbb?.accountId })
  // With nobody in charge, better the catch-all than nobody.
  assert.deepEqual(expandAddress(map.view('n1'), 'abuse@test.com').targets, ['aaa@test.com'])
})

test('a catch-all may be an alias, outside, gone, or itself', () => {
  const { map } = mesh()
  for (const [catchAll, end] of [
    ['team@test.com', 'aaa@test.com bbb@test.com'],
    ['x@other.example', 'x@other.example'],
    ['gone@test.com', '5.2.1'],
    ['nobody@test.com', '5.4.6'],
    ['not an address', '5.1.3'],
  ] as const) {
    set(map, 'test.com', { catchAll })
    assert.deepEqual(ends(map, ['nobody@test.com']), [end], catchAll)
  }
})

test('a domain that stands for another has its names, tags, aliases, roles and catch-all', () => {
  const { map } = mesh()
  const rows = [
    ['aaa@shop.example', 'aaa@test.com'],
    ['AAA+x@shop.example', 'aaa+x@test.com'],
    ['sales+x@shop.example', 'aaa+x@test.com'],
    ['team@shop.example', 'aaa@test.com bbb@test.com'],
    ['own@shop.example', 'own@shop.example'],
    ['own+x@shop.example', 'own+x@shop.example'],
    ['gone@shop.example', '5.2.1'],
    ['abuse@shop.example', 'abuse@test.com'],
  ] as const
  table(map, [...rows, ['nobody@shop.example', '5.1.1']])
  set(map, 'test.com', { catchAll: 'bbb@test.com' })
  table(map, [...rows, ['nobody@shop.example', 'bbb@test.com']])
})

test('domains that stand for each other, after edits at two places at once, lose only what nobody has', () => {
  const { map } = mesh()
  set(map, 'test.com', { aliasOf: 'shop.example' })
  table(map, [
    ['aaa@test.com', 'aaa@test.com'],
    ['nobody@test.com', '5.4.6'],
    ['nobody@shop.example', '5.4.6'],
  ])
  set(map, 'shop.example', { aliasOf: 'removed.example' })
  table(map, [['nobody@shop.example', '5.1.1']])
})

test('MAIL: a user speaks as himself in a domain that stands for his, and for a catch-all; never through a forward', () => {
  const { map, directory, aaa } = mesh()
  set(map, 'test.com', { catchAll: 'aaa@test.com' })
  const bbb = map.account('bbb@test.com', 'n2')
  map.entries.set('bbb@test.com', { ...bbb, forward: { to: ['aaa@test.com'], keep: false } })
  const source = { kind: 'submission' as const, account: { id: aaa.accountId, address: 'aaa@test.com' } }
  const may = (from: string) => checkSender(directory, source, from, settings).kind === 'accepted'
  for (const from of ['aaa@shop.example', 'aaa+x@shop.example', 'sales@shop.example', 'anything@test.com']) {
    assert.ok(may(from), from)
  }
  const others = [
    'bbb@test.com',
    'bbb@shop.example',
    'own@shop.example',
    'abuse@test.com',
    'x@mailer.com.cn',
    'x@other.example',
  ]
  for (const from of others) assert.ok(!may(from), from)
})

test('RCPT: what is behind an alias or a catch-all decides', () => {
  const { map, directory, aaa } = mesh()
  const stranger = { kind: 'smtp' as const }
  const components = { directory, isOverQuota: (id: string) => id === aaa.accountId }
  const verdict = (address: string) => {
    const said = checkRecipient(components, stranger, address, settings)
    return said.kind === 'refused' ? `${said.code} ${said.status}` : said.kind
  }
  assert.equal(verdict('sales@test.com'), '452 4.2.2')
  assert.equal(verdict('aaa@shop.example'), '452 4.2.2')
  assert.equal(verdict('nobody@shop.example'), '550 5.1.1')
  assert.equal(verdict('away@shop.example'), 'accepted')
  set(map, 'test.com', { catchAll: 'bbb@test.com' })
  assert.equal(verdict('nobody@shop.example'), 'accepted')
  const bbb = map.account('bbb@test.com', 'n2')
  map.entries.set('bbb@test.com', { ...bbb, forward: { to: ['aaa@test.com'], keep: false } })
  assert.equal(verdict('bbb@test.com'), '452 4.2.2')
  assert.equal(routeAddress(directory, 'bbb@test.com').kind, 'peer')
})

import assert from 'node:assert/strict'
import { before, beforeEach, test } from 'node:test'
import type { NodeId } from '@skein/runtime'
import { accountLimits } from './limits.ts'
import { hashPassword } from './password.ts'
import type { Login } from './ports.ts'
import { makeNodes } from './two-nodes-fixture.ts'

const password = 'swan lake 1877'
let phc: string
before(async () => {
  phc = await hashPassword(password)
})

let mesh: ReturnType<typeof makeNodes>
beforeEach(() => {
  mesh = makeNodes(phc)
})

function login(node: NodeId, name: string, given: string, more: Partial<Login> = {}) {
  const authenticator = mesh.nodes[node]
  assert.ok(authenticator)
  return authenticator.login({ name, password: given, remoteAddress: '127.0.0.9', protocol: 'imap', ...more })
}

test('the right password opens the account at its home, by address in any case or by bare name', async () => {
  for (const name of ['aaa@test.com', ' AAA@Test.Com ', 'aaa']) {
    const outcome = await login('bj', name, password)
    assert.equal(outcome.kind, 'ok')
    assert.equal(outcome.kind === 'ok' && outcome.account.address, 'aaa@test.com')
  }
})

test('unknown, wrong, suspended and password-less are refused alike', async () => {
  for (const [name, given] of [
    ['nobody@test.com', password],
    ['aaa@test.com', 'wrong password'],
    ['gone@test.com', password],
    ['nopass@test.com', password],
    ['not an address @@', password],
    ['aaa@test.com', 'x'.repeat(100_000)],
  ] as const) {
    assert.deepEqual(await login('bj', name, given), { kind: 'refused' }, name)
  }
})

test('at another node the home is asked, and its verdict is told', async () => {
  const outcome = await login('bj', 'bbb', password)
  assert.equal(outcome.kind, 'elsewhere')
  assert.equal(outcome.kind === 'elsewhere' && outcome.home, 'hk')
  assert.equal(outcome.kind === 'elsewhere' && outcome.homeName, 'hk.test.com')
  assert.deepEqual(await login('bj', 'bbb', 'wrong password'), { kind: 'refused' })
})

test('with its verdict the home gives a ticket, good for a session of that account from that node only', async () => {
  const home = mesh.nodes['hk']
  assert.ok(home)
  const ask = async (more: Partial<Login> = {}) => {
    const outcome = await login('bj', 'bbb', password, more)
    assert.ok(outcome.kind === 'elsewhere')
    return outcome.ticket
  }
  const ticket = await ask()
  assert.ok(ticket)
  assert.equal((await home.redeem('bj', 'imap', ticket))?.address, 'bbb@test.com')
  assert.equal(await home.redeem('bj', 'imap', ticket), undefined)
  const forPop3 = await ask({ protocol: 'pop3' })
  assert.ok(forPop3)
  assert.equal(await home.redeem('bj', 'imap', forPop3), undefined)
  assert.equal(await ask({ protocol: 'submission' }), undefined)
  // Suspended between the log-in and the session.
  const last = await ask()
  const account = [...mesh.accounts.values()].find((one) => one.address === 'bbb@test.com')
  assert.ok(account && last)
  mesh.accounts.set(account.id, { ...account, state: 'suspended' })
  assert.equal(await home.redeem('bj', 'imap', last), undefined)
})

test('the home vouches for somebody at a node where they logged in, for some days, and at no other', async () => {
  const entry = [...mesh.accounts.values()].find((one) => one.address === 'bbb@test.com')
  assert.ok(entry)
  const { bj, hk } = mesh.nodes
  assert.ok(bj && hk)
  const account = { id: entry.id, home: 'hk' }
  assert.equal(await bj.enteredAt(account, 'bj'), false)
  await login('bj', 'bbb', 'wrong password', { protocol: 'submission' })
  assert.equal(await bj.enteredAt(account, 'bj'), false)
  await login('bj', 'bbb', password, { protocol: 'submission' })
  assert.equal(await bj.enteredAt(account, 'bj'), true)
  assert.equal(await hk.enteredAt(account, 'bj'), true)
  assert.equal(await bj.enteredAt(account, 'tw'), false)
  mesh.clock.ms += accountLimits.entranceNoteMs + 1
  await login('bj', 'bbb', password)
  await hk.idle()
  mesh.clock.ms += accountLimits.entranceKeepMs - 1
  assert.equal(await hk.enteredAt(account, 'bj'), true, 'written again')
  mesh.clock.ms += 2
  assert.equal(await hk.enteredAt(account, 'bj'), false)
  await login('bj', 'bbb', password)
  const now = mesh.accounts.get(entry.id)
  assert.ok(now)
  mesh.accounts.set(entry.id, { ...now, state: 'suspended' })
  assert.equal(await hk.enteredAt(account, 'bj'), false)
  mesh.down.add('hk')
  await assert.rejects(bj.enteredAt(account, 'bj'), { code: 'peer-unreachable' })
})

test('a home that is down is unavailable, not wrong', async () => {
  mesh.down.add('hk')
  assert.deepEqual(await login('bj', 'bbb', password), { kind: 'unavailable' })
})

test('wrong passwords make the next try wait longer and longer; time heals', async () => {
  for (let i = 0; i < accountLimits.loginFailuresFree; i++) await login('bj', 'aaa', 'wrong password')
  await login('bj', 'aaa', 'wrong password')
  const first = await login('bj', 'aaa', password)
  assert.equal(first.kind, 'throttled')
  mesh.clock.ms += accountLimits.loginDelayFirstMs + 1
  await login('bj', 'aaa', 'wrong password')
  const second = await login('bj', 'aaa', password)
  assert.ok(second.kind === 'throttled' && second.retryAfterMs > accountLimits.loginDelayFirstMs)
  assert.equal(
    (await login('bj', 'aaa', password, { remoteAddress: '127.0.0.10' })).kind,
    'ok',
    'others are not locked out',
  )
  mesh.clock.ms += accountLimits.loginFailureKeepMs
  assert.equal((await login('bj', 'aaa', password)).kind, 'ok')
})

test('one telephone with an old password does not shut out the office behind the same address', async () => {
  const office = { remoteAddress: '192.0.2.1' }
  for (let i = 0; i < accountLimits.loginFailuresPerAddressFree * 2; i++) {
    const outcome = await login('bj', 'aaa', 'wrong password', office)
    if (outcome.kind === 'throttled') mesh.clock.ms += outcome.retryAfterMs
  }
  assert.notEqual((await login('bj', 'bbb', password, office)).kind, 'throttled')
})

test('one IPv6 site is one client, whatever address of its network it comes from', async () => {
  for (let i = 0; i <= accountLimits.loginFailuresFree; i++) {
    await login('bj', 'aaa', 'wrong password', { remoteAddress: `2001:db8:1:2::${i + 1}` })
  }
  assert.equal((await login('bj', 'aaa', password, { remoteAddress: '2001:db8:1:2:ffff::1' })).kind, 'throttled')
  assert.equal((await login('bj', 'aaa', password, { remoteAddress: '2001:db8:1:3::1' })).kind, 'ok')
})

test('a password that was changed is not remembered', async () => {
  assert.equal((await login('bj', 'aaa', password)).kind, 'ok')
  const account = [...mesh.accounts.values()].find((one) => one.address === 'aaa@test.com')
  assert.ok(account)
  mesh.accounts.set(account.id, { ...account, passwordHash: await hashPassword('another password') })
  assert.equal((await login('bj', 'aaa', password)).kind, 'refused')
  assert.equal((await login('bj', 'aaa', 'another password')).kind, 'ok')
})

test('guesses sent at once are no more than guesses sent one after the other', async () => {
  const guesses = Array.from({ length: 40 }, async () => (await login('bj', 'aaa', 'wrong password')).kind)
  const kinds = await Promise.all(guesses)
  assert.equal(kinds.filter((kind) => kind === 'refused').length, accountLimits.loginFailuresFree + 1)
  assert.equal(kinds.filter((kind) => kind === 'throttled').length, 40 - accountLimits.loginFailuresFree - 1)
})

test('many right log-ins at once all get in', async () => {
  const kinds = await Promise.all(Array.from({ length: 100 }, async () => (await login('bj', 'aaa', password)).kind))
  assert.deepEqual(new Set(kinds), new Set(['ok']))
})

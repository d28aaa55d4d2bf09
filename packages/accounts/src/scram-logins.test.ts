// SCRAM from the door to the home and back, on one node and over two.
import assert from 'node:assert/strict'
import { before, beforeEach, test } from 'node:test'
import { type NodeId, systemRandom } from '@skein/runtime'
import { type ScramClientOptions, createScramClient } from '@skein/testkit'
import { accountLimits } from './limits.ts'
import { hashPassword } from './password.ts'
import { type SaslFacts, type SaslStep } from './sasl/exchange.ts'
import { startSasl } from './sasl/mechanisms.ts'
import { createScramVerifier } from './sasl/scram-verifier.ts'
import { makeNodes } from './two-nodes-fixture.ts'

const password = 'swan lake 1877'
let phc: string
let mesh: ReturnType<typeof makeNodes>
before(async () => {
  phc = await hashPassword(password)
})
beforeEach(async () => {
  mesh = makeNodes(phc, { decoySecret: Buffer.from('the same after each start') })
  const scram = await createScramVerifier(password, phc, systemRandom.bytes(16), 4096)
  for (const account of mesh.accounts.values()) if (account.passwordHash !== null) account.scram = scram
})

const binding = Buffer.alloc(32, 7)
const tls: Partial<SaslFacts> = {
  channelBindings: { data: (type) => (type === 'tls-exporter' ? binding : undefined) },
}

interface Play extends Partial<ScramClientOptions> {
  at?: NodeId
  facts?: Partial<SaslFacts>
  mechanism?: string
  /** What the client says in place of its honest last message. */
  tamper?: (final: string) => string
}

/** Plays a whole log-in; returns how it ended. */
async function scram(name: string, { at = 'bj', facts = {}, tamper, ...options }: Play = {}) {
  const authenticator = mesh.nodes[at]
  assert.ok(authenticator)
  const client = createScramClient({ name, password, nonce: 'abc', ...options })
  const all: SaslFacts = { remoteAddress: '127.0.0.9', protocol: 'imap', ...facts }
  const exchange = startSasl(authenticator, all, options.mechanism ?? 'SCRAM-SHA-256', Buffer.from(client.first))
  assert.ok(exchange)
  const text = (step: SaslStep) => (step.kind === 'challenge' ? Buffer.from(step.data).toString() : '')
  let step = await exchange.begin()
  const serverFirst = text(step)
  if (step.kind !== 'challenge') return { serverFirst, end: step.kind === 'done' ? step.outcome.kind : step.text }
  const final = client.final(serverFirst)
  step = await exchange.respond(Buffer.from(tamper ? tamper(final) : final))
  if (step.kind === 'challenge') {
    assert.ok(client.isServer(text(step)), 'the server proves that it knows the password')
    step = await exchange.respond(new Uint8Array(0))
  }
  return { serverFirst, end: step.kind === 'done' ? step.outcome.kind : step.kind === 'malformed' ? step.text : '?' }
}

const endOf = async (...args: Parameters<typeof scram>) => (await scram(...args)).end

test('the right password gets in, by address or bare name; a wrong one does not', async () => {
  assert.equal(await endOf('aaa@test.com'), 'ok')
  assert.equal(await endOf('AAA'), 'ok')
  assert.equal(await endOf('aaa', { password: 'wrong' }), 'refused')
})

test('at another node the exchange is relayed, and neither password nor verifier crosses the mesh', async () => {
  assert.equal(await endOf('bbb@test.com', { at: 'bj' }), 'elsewhere')
  assert.equal(await endOf('bbb@test.com', { at: 'bj', password: 'wrong' }), 'refused')
  const crossed = Buffer.concat(mesh.requests).toString('latin1')
  assert.match(crossed, /scram-begin.*scram-finish/s)
  assert.ok(!crossed.includes(password))
  mesh.down.add('hk')
  assert.equal(await endOf('bbb@test.com', { at: 'bj' }), 'unavailable')
})

test('with its verdict the home gives a ticket for the session, as after a password', async () => {
  const client = createScramClient({ name: 'bbb', password, nonce: 'abc' })
  const request = { name: 'bbb', clientFirstBare: client.first.slice(3), clientNonce: 'abc', remoteAddress: '::1' }
  const begun = await mesh.nodes['bj']?.scram.begin({ ...request, protocol: 'pop3' })
  assert.ok(begun?.kind === 'challenge')
  const [withoutProof = '', proof = ''] = client.final(begun.serverFirst).split(',p=')
  const { outcome } = await begun.finish(withoutProof, Buffer.from(proof, 'base64'))
  assert.ok(outcome.kind === 'elsewhere' && outcome.ticket)
  assert.equal((await mesh.nodes['hk']?.redeem('bj', 'pop3', outcome.ticket))?.address, 'bbb@test.com')
})

test('an unknown user, a suspended one and one without a verifier get a challenge like any other, always the same', async () => {
  const challengeOf = async (name: string) => {
    const { serverFirst, end } = await scram(name)
    assert.equal(end, 'refused')
    mesh.clock.ms += accountLimits.loginFailureKeepMs
    const [, salt = '', iterations] = /,s=([^,]+),i=(\d+)$/.exec(serverFirst) ?? []
    assert.equal(Buffer.from(salt, 'base64').length, 16)
    return { salt, iterations }
  }
  for (const name of ['nobody@test.com', 'nopass@test.com', 'gone@test.com', 'no address @@']) {
    assert.deepEqual(await challengeOf(name), await challengeOf(name), name)
  }
  assert.equal((await challengeOf('nobody@test.com')).iterations, String(accountLimits.scramIterations))
  const before = (await challengeOf('nobody@test.com')).salt
  mesh = makeNodes(phc, { decoySecret: Buffer.from('the same after each start') })
  assert.equal((await challengeOf('nobody@test.com')).salt, before, 'after a restart too')
  assert.notEqual((await challengeOf('nobody2@test.com')).salt, before)
})

test('wrong proofs are throttled as wrong passwords are, and together with them', async () => {
  for (let i = 0; i <= accountLimits.loginFailuresFree; i++) await scram('aaa', { password: 'wrong' })
  assert.equal(await endOf('aaa'), 'throttled')
  const plain = { name: 'aaa', password, remoteAddress: '127.0.0.9', protocol: 'imap' as const }
  assert.equal((await mesh.nodes['bj']?.login(plain))?.kind, 'throttled')
  mesh.clock.ms += accountLimits.loginDelayFirstMs + 1
  assert.equal(await endOf('aaa'), 'ok')
})

test('exchanges begun together and finished together count as guesses too', async () => {
  const ends = await Promise.all(Array.from({ length: 30 }, () => endOf('aaa', { password: 'wrong' })))
  assert.equal(ends.filter((end) => end === 'refused').length, accountLimits.loginFailuresFree + 1)
})

test('RFC 5802 §6: channel binding, and each way to get it wrong', async () => {
  const plus = { mechanism: 'SCRAM-SHA-256-PLUS', facts: tls, gs2Header: 'p=tls-exporter,,', binding }
  assert.equal(await endOf('aaa', plus), 'ok')
  assert.equal(await endOf('bbb', plus), 'elsewhere')
  // Someone in the middle has another TLS connection to us than the client has to him.
  assert.equal(await endOf('aaa', { ...plus, binding: Buffer.alloc(32, 8) }), 'refused')
  assert.match(await endOf('aaa', { ...plus, gs2Header: 'p=tls-unique,,' }), /not offered/)
  assert.match(await endOf('aaa', { ...plus, gs2Header: 'n,,' }), /belongs to/)
  assert.match(await endOf('aaa', { ...plus, mechanism: 'SCRAM-SHA-256' }), /belongs to/)
  // The client could have bound, and was told that we can not: a downgrade.
  assert.equal(await endOf('aaa', { gs2Header: 'y,,', facts: tls }), 'refused')
  assert.equal(await endOf('aaa', { gs2Header: 'y,,' }), 'ok')
  assert.equal(await endOf('aaa', { gs2Header: 'n,,', facts: tls }), 'ok')
  // A header in the last message that is not the one in the first.
  assert.equal(await endOf('aaa', { gs2Header: 'y,,', claimedBinding: 'biws' }), 'refused')
})

test('an authorization identity is oneself, or not authorized', async () => {
  assert.equal(await endOf('aaa', { gs2Header: 'n,a=aaa@test.com,' }), 'ok')
  assert.equal(await endOf('aaa', { gs2Header: 'n,a=bbb@test.com,' }), 'not-authorized')
})

test('a last message with another nonce, a short proof, or none', async () => {
  assert.equal(await endOf('aaa', { tamper: (final) => final.replace(/r=abc/, 'r=abd') }), 'refused')
  assert.equal(await endOf('aaa', { tamper: (final) => final.replace(/p=.*/, 'p=AAAA') }), 'refused')
  assert.match(await endOf('aaa', { tamper: (final) => final.replace(/,p=.*/, '') }), /No SCRAM message/)
  assert.match(await endOf('aaa', { gs2Header: 'n,,m=x,' }), /unknown SCRAM extension/)
})

test('a name with commas and equals signs arrives whole', async () => {
  assert.equal(await endOf('a,a=a@test.com'), 'refused')
  assert.equal(await endOf('aaa'), 'ok')
})

test('an account that predates SCRAM has it after the next log-in with the password', async () => {
  for (const account of mesh.accounts.values()) delete account.scram
  assert.equal(await endOf('aaa'), 'refused')
  const node = mesh.nodes['bj']
  assert.ok(node)
  await node.login({ name: 'aaa', password: 'wrong', remoteAddress: '127.0.0.9', protocol: 'imap' })
  await node.idle()
  assert.equal(await endOf('aaa'), 'refused')
  await node.login({ name: 'aaa', password, remoteAddress: '127.0.0.9', protocol: 'imap' })
  await node.idle()
  assert.equal(await endOf('aaa'), 'ok')
})

test('a verifier that an older Skein left beside a changed password counts for nothing', async () => {
  const account = [...mesh.accounts.values()].find(({ address }) => address === 'aaa@test.com')
  assert.ok(account)
  account.passwordHash = await hashPassword('another password')
  assert.equal(await endOf('aaa'), 'refused')
  await mesh.nodes['bj']?.login({ name: 'aaa', password: 'another password', remoteAddress: '::1', protocol: 'imap' })
  await mesh.nodes['bj']?.idle()
  assert.equal(await endOf('aaa', { password: 'another password' }), 'ok')
})

test('what another node begins is kept for a while, and not without end', async () => {
  const request = { name: 'bbb@test.com', clientFirstBare: 'n=bbb,r=x', clientNonce: 'x', protocol: 'imap' as const }
  const begin = (from: string) => mesh.nodes['bj']?.scram.begin({ ...request, remoteAddress: from })
  const first = await begin('192.0.2.1')
  assert.equal(first?.kind, 'challenge')
  for (let i = 1; i < accountLimits.scramRelayedPerPeerMax; i++) await begin('192.0.2.1')
  assert.equal((await begin('192.0.2.1'))?.kind, 'unavailable')
  mesh.clock.ms += accountLimits.scramExchangeTimeoutMs + 1
  assert.equal((await begin('192.0.2.1'))?.kind, 'challenge')
  assert.ok(first?.kind === 'challenge')
  const { outcome } = await first.finish('c=biws,r=x', new Uint8Array(32))
  assert.equal(outcome.kind, 'unavailable')
})

test('a certificate counts at home only; a token is verified there', async () => {
  const client = { remoteAddress: '127.0.0.9', protocol: 'imap' as const }
  assert.equal((await mesh.nodes['bj']?.certificates?.login({ ...client, address: 'aaa@test.com' }))?.kind, 'ok')
  assert.equal(
    (await mesh.nodes['bj']?.certificates?.login({ ...client, address: 'bbb@test.com' }))?.kind,
    'unavailable',
  )
  assert.equal((await mesh.nodes['bj']?.certificates?.login({ ...client, address: 'gone@test.com' }))?.kind, 'refused')
  assert.equal(mesh.nodes['bj']?.tokens, undefined)
  mesh = makeNodes(phc, {
    tokenVerifier: {
      async verify(token) {
        if (token === 'down') return { kind: 'unavailable' }
        return token.endsWith('@test.com') ? { kind: 'ok', address: token } : { kind: 'invalid' }
      },
    },
  })
  const kindOf = async (token: string, name?: string) =>
    (await mesh.nodes['bj']?.tokens?.login({ ...client, token, name }))?.kind
  assert.equal(await kindOf('aaa@test.com'), 'ok')
  assert.equal(await kindOf('aaa@test.com', 'AAA@test.com'), 'ok')
  assert.equal(await kindOf('aaa@test.com', 'bbb@test.com'), 'refused')
  assert.equal(await kindOf('bbb@test.com'), 'elsewhere')
  assert.equal(await kindOf('down'), 'unavailable')
  assert.equal(await kindOf('old'), 'refused')
})

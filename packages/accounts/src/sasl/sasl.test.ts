// The dialogues at the door, against an authenticator of the test's own.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Account, Authenticator, Login, LoginOutcome } from '../ports.ts'
import { decodeInitialResponse, decodeSaslResponse, type SaslFacts, type SaslStep } from './exchange.ts'
import { saslMechanismsOffered, startSasl } from './mechanisms.ts'
import { createScramVerifier, proofIsRight } from './scram-verifier.ts'

const account: Account = {
  id: 'a'.repeat(32),
  address: 'aaa@test.com',
  displayName: '',
  role: 'user',
  passwordHash: null,
  quotaBytes: 0,
  state: 'active',
  createdMs: 0,
}
const right: LoginOutcome = { kind: 'ok', account }
const refused: LoginOutcome = { kind: 'refused' }
const facts: SaslFacts = { remoteAddress: '192.0.2.1', protocol: 'imap' }

function plainAuthenticator(more: Partial<Authenticator> = {}): Authenticator & { logins: Login[] } {
  const logins: Login[] = []
  return {
    logins,
    async login(login) {
      logins.push(login)
      return login.name === 'aaa' && login.password === 'secret' ? right : refused
    },
    ...more,
  }
}

/** Plays the client's responses, the first with the command where `initial` is set; returns every step. */
async function play(
  authenticator: Authenticator,
  mechanism: string,
  responses: readonly string[],
  options: { facts?: SaslFacts; initial?: boolean } = {},
): Promise<string[]> {
  const all = responses.map((text) => Buffer.from(text))
  const initial = options.initial === false ? undefined : all.shift()
  const exchange = startSasl(authenticator, options.facts ?? facts, mechanism, initial)
  if (!exchange) return ['not offered']
  const said: string[] = []
  let step: SaslStep = await exchange.begin()
  for (;;) {
    if (step.kind === 'challenge') said.push(`+ ${Buffer.from(step.data).toString()}`)
    else if (step.kind === 'malformed') said.push(`malformed: ${step.text}`)
    else said.push(step.outcome.kind)
    const next = all.shift()
    if (step.kind !== 'challenge' || next === undefined) return said
    step = await exchange.respond(next)
  }
}

test('PLAIN (RFC 4616): with and without an initial response, and what is malformed', async () => {
  const authenticator = plainAuthenticator()
  assert.deepEqual(await play(authenticator, 'plain', ['\0aaa\0secret']), ['ok'])
  assert.deepEqual(await play(authenticator, 'PLAIN', ['\0aaa\0secret'], { initial: false }), ['+ ', 'ok'])
  assert.deepEqual(await play(authenticator, 'PLAIN', ['\0aaa\0wrong']), ['refused'])
  for (const wrong of ['', 'aaa', '\0aaa', '\0\0secret', '\0aaa\0', '\0aaa\0secret\0more']) {
    assert.deepEqual(await play(authenticator, 'PLAIN', [wrong]), ['malformed: The PLAIN answer is malformed'], wrong)
  }
  const exchange = startSasl(authenticator, facts, 'PLAIN', Buffer.from([0, 0x61, 0, 0xff]))
  assert.deepEqual(await exchange?.begin(), { kind: 'malformed', text: 'The response is not UTF-8' })
  assert.equal(authenticator.logins.length, 3)
})

test('PLAIN: an authorization identity is oneself or not authorized, and that only after the right password', async () => {
  const authenticator = plainAuthenticator()
  for (const self of ['aaa', 'aaa@test.com', 'AAA@Test.Com']) {
    assert.deepEqual(await play(authenticator, 'PLAIN', [`${self}\0aaa\0secret`]), ['ok'])
  }
  assert.deepEqual(await play(authenticator, 'PLAIN', ['bbb@test.com\0aaa\0secret']), ['not-authorized'])
  assert.deepEqual(await play(authenticator, 'PLAIN', ['bbb@test.com\0aaa\0wrong']), ['refused'])
})

test('LOGIN: name and password, each asked for', async () => {
  const authenticator = plainAuthenticator()
  const all = ['+ Username:', '+ Password:', 'ok']
  assert.deepEqual(await play(authenticator, 'LOGIN', ['aaa', 'secret'], { initial: false }), all)
  assert.deepEqual(await play(authenticator, 'LOGIN', ['aaa', 'secret']), all.slice(1))
  assert.deepEqual((await play(authenticator, 'LOGIN', ['aaa', ''])).at(-1), 'malformed: The LOGIN answer is malformed')
})

test('only what can be had is offered', async () => {
  const scram = { begin: async () => ({ kind: 'unavailable' as const }) }
  const channelBindings = { data: () => new Uint8Array(32) }
  const tokens = { login: async () => refused }
  const certificates = { login: async () => refused }
  assert.deepEqual(saslMechanismsOffered(plainAuthenticator(), facts), ['PLAIN', 'LOGIN'])
  assert.deepEqual(saslMechanismsOffered(plainAuthenticator({ scram }), facts), ['SCRAM-SHA-256', 'PLAIN', 'LOGIN'])
  const all = plainAuthenticator({ scram, tokens, certificates })
  assert.deepEqual(saslMechanismsOffered(all, { ...facts, channelBindings, certificateAddresses: ['aaa@test.com'] }), [
    'EXTERNAL',
    'SCRAM-SHA-256-PLUS',
    'SCRAM-SHA-256',
    'OAUTHBEARER',
    'XOAUTH2',
    'PLAIN',
    'LOGIN',
  ])
  assert.ok(!saslMechanismsOffered(all, facts).includes('EXTERNAL'))
  for (const name of ['CRAM-MD5', 'EXTERNAL', 'SCRAM-SHA-256-PLUS', '', 'toString']) {
    assert.equal(startSasl(plainAuthenticator({ scram }), facts, name, undefined), undefined)
  }
})

test('RFC 7677 §3: its example', async () => {
  const verifier = await createScramVerifier('pencil', 'hash', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096)
  const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
  const first = `n=user,r=rOprNGfwEbeRWgbNEkqO`
  const message = `${first},r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=${nonce}`
  const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64')
  assert.ok(proofIsRight(Buffer.from(verifier.storedKey, 'base64'), message, proof))
  assert.ok(!proofIsRight(Buffer.from(verifier.storedKey, 'base64'), `${message}x`, proof))
  assert.equal(
    createHmac('sha256', Buffer.from(verifier.serverKey, 'base64')).update(message).digest('base64'),
    '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
  )
})

test('EXTERNAL (RFC 4422 appendix A): the certificate is the log-in, for its own addresses only', async () => {
  const seen: string[] = []
  const certificates = {
    async login({ address }: { address: string }) {
      seen.push(address)
      return address === account.address ? right : refused
    },
  }
  const authenticator = plainAuthenticator({ certificates })
  const options = { facts: { ...facts, certificateAddresses: ['aaa@test.com', 'old@test.com'] } }
  assert.deepEqual(await play(authenticator, 'EXTERNAL', [''], options), ['ok'])
  assert.deepEqual(await play(authenticator, 'EXTERNAL', [''], { ...options, initial: false }), ['+ ', 'ok'])
  assert.deepEqual(await play(authenticator, 'EXTERNAL', ['AAA@test.com'], options), ['ok'])
  assert.deepEqual(await play(authenticator, 'EXTERNAL', ['old@test.com'], options), ['refused'])
  assert.deepEqual(await play(authenticator, 'EXTERNAL', ['bbb@test.com'], options), ['not-authorized'])
  assert.deepEqual(await play(authenticator, 'EXTERNAL', ['no address'], options), ['refused'])
  assert.deepEqual(seen, ['aaa@test.com', 'aaa@test.com', 'aaa@test.com', 'old@test.com'])
})

test('OAUTHBEARER (RFC 7628 §4) and XOAUTH2: right, and the dance after a wrong token', async () => {
  const given: unknown[] = []
  const tokens = {
    scope: 'mail',
    configurationUrl: 'https://id.test/.well-known/openid-configuration',
    async login({ token, name }: { token: string; name: string | undefined }) {
      given.push([token, name])
      return token === 'vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==' ? right : refused
    },
  }
  const authenticator = plainAuthenticator({ tokens })
  const token = 'vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=='
  const bearer = (value: string) =>
    `n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer ${value}\x01\x01`
  assert.deepEqual(await play(authenticator, 'OAUTHBEARER', [bearer(token)]), ['ok'])
  assert.deepEqual(await play(authenticator, 'OAUTHBEARER', [bearer('old'), '\x01']), [
    '+ {"status":"invalid_token","scope":"mail","openid-configuration":"https://id.test/.well-known/openid-configuration"}',
    'refused',
  ])
  assert.deepEqual(await play(authenticator, 'XOAUTH2', [`user=aaa\x01auth=Bearer ${token}\x01\x01`]), ['ok'])
  assert.deepEqual(await play(authenticator, 'XOAUTH2', ['user=aaa\x01auth=Bearer old\x01\x01', '']), [
    '+ {"status":"401","schemes":"bearer","scope":"mail"}',
    'refused',
  ])
  assert.deepEqual(given, [
    [token, 'user@example.com'],
    ['old', 'user@example.com'],
    [token, 'aaa'],
    ['old', 'aaa'],
  ])
  for (const wrong of [
    '',
    'n,,',
    `p=tls-exporter,,\x01auth=Bearer ${token}\x01\x01`,
    'n,,\x01auth=Basic abc\x01\x01',
    'n,,\x01host=x\x01\x01',
    `n,,\x01auth=Bearer ${token}\x01auth=Bearer x\x01\x01`,
    `n,,\x01auth=Bearer ${token}`,
  ]) {
    assert.match((await play(authenticator, 'OAUTHBEARER', [wrong])).join(), /^malformed: /, JSON.stringify(wrong))
  }
  assert.deepEqual(await play(plainAuthenticator(), 'OAUTHBEARER', [bearer(token)]), ['not offered'])
})

test('whatever a client sends ends in a step, never in an error', async () => {
  const scram = { begin: async () => ({ kind: 'unavailable' as const }) }
  const certificates = { login: async () => refused }
  const tokens = { login: async () => refused }
  const authenticator = plainAuthenticator({ scram, certificates, tokens })
  const channelBindings = { data: () => new Uint8Array(32) }
  const rich = { ...facts, channelBindings, certificateAddresses: ['aaa@test.com'] }
  const piece = fc.constantFrom(
    'n',
    'y',
    'p=',
    'tls-exporter',
    ',',
    'a=',
    'n=',
    'r=',
    '=2C',
    '\0',
    '\x01',
    'auth=Bearer x',
  )
  const text = fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 12 }).map((all) => all.join(''))
  const rule = fc.asyncProperty(
    fc.constantFrom(...saslMechanismsOffered(authenticator, rich)),
    fc.array(text, { minLength: 1, maxLength: 3 }),
    async (name, responses) => {
      assert.ok((await play(authenticator, name, responses, { facts: rich })).length > 0)
    },
  )
  await fc.assert(rule, { numRuns: 2_000 })
})

test('base64: strict, and `=` is an empty initial response', () => {
  assert.deepEqual(decodeSaslResponse('YQ=='), Buffer.from('a'))
  assert.deepEqual(decodeSaslResponse(''), Buffer.from(''))
  for (const wrong of ['=', 'YQ', 'YQ=', 'Y Q=', 'YQ==YQ==', '*', 'YQ-_']) {
    assert.equal(decodeSaslResponse(wrong), undefined, wrong)
  }
  assert.equal(decodeInitialResponse('=')?.length, 0)
})

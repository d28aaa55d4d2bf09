// Who answers for whom: names that all nodes share, and the host name of whoever asks.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Directory } from '@skein/accounts'
import { type PeerLink, SkeinError, encodeCbor, isErrorCode, silentLogger, systemClock } from '@skein/runtime'
import { VirtualClock } from '@skein/testkit'
import fc from 'fast-check'
import { createHttpChallenges } from './http-challenges.ts'
import { acmeLimits } from './limits.ts'

const hosts: Record<string, string> = { bj: 'bj.test.com', hk: 'hk.test.com', odd: 'mail.other.com' }
const directory = {
  node: (id: string) => (hosts[id] === undefined ? undefined : { hostName: hosts[id] }),
  nodes: () => Object.entries(hosts).map(([id, hostName]) => ({ id, hostName })),
  domain: (name: string) => (name === 'test.com' || name === 'other.com' ? {} : undefined),
} as unknown as Directory

const proof = (token: string) => `${token}.${'a'.repeat(43)}`

function makeMesh() {
  const handlers = new Map<string, (from: string, payload: Uint8Array) => Promise<Uint8Array>>()
  const sent: string[] = []
  const make = (self: string) => {
    const link = {
      self,
      connected: () => Object.keys(hosts).filter((id) => id !== self),
      async request(to: string, _service: string, payload: Uint8Array) {
        sent.push(`${self} -> ${to}`)
        return (handlers.get(to) as NonNullable<ReturnType<typeof handlers.get>>)(self, payload)
      },
      handle: (_service: string, handler: (from: string, payload: Uint8Array) => Promise<Uint8Array>) =>
        handlers.set(self, handler),
    } as unknown as PeerLink
    return createHttpChallenges({ directory, link, clock: systemClock, logger: silentLogger })
  }
  return { bj: make('bj'), hk: make('hk'), odd: make('odd'), handlers, sent }
}

async function answerOf({ route }: ReturnType<typeof createHttpChallenges>, url: string): Promise<string> {
  const peer = { remoteAddress: '9.9.9.9', localAddress: '8.8.8.8', localPort: 80, isSecure: false }
  const response = await route.app(new Request(url), peer)
  return response.status === 200 ? response.text() : String(response.status)
}

describe('HTTP-01 in a mesh', () => {
  test('every node answers for whoever orders, under that name alone, until the proof is taken back', async () => {
    const { bj, hk, odd } = makeMesh()
    const path = '/.well-known/acme-challenge/tok-1'
    const takeBack = await bj.prover.present({
      name: 'mail.test.com',
      token: 'tok-1',
      keyAuthorization: proof('tok-1'),
    })
    for (const node of [bj, hk, odd]) assert.equal(await answerOf(node, `http://mail.test.com${path}`), proof('tok-1'))
    assert.equal(await answerOf(hk, `http://MAIL.test.com:10080${path}`), proof('tok-1'))
    assert.equal(await answerOf(hk, `http://hk.test.com${path}`), '404')
    assert.equal(await answerOf(hk, `http://mail.test.com${path}x`), '404')
    await takeBack()
    for (const node of [bj, hk]) assert.equal(await answerOf(node, `http://mail.test.com${path}`), '404')
  })

  test('who has just started waits for the others, but not for ever', async () => {
    const clock = new VirtualClock()
    let up: string[] = []
    const told: string[] = []
    const link = {
      self: 'bj',
      connected: () => up,
      request: async (to: string) => {
        told.push(to)
        return new Uint8Array()
      },
      handle: () => undefined,
    } as unknown as PeerLink
    const make = () => createHttpChallenges({ directory, link, clock, logger: silentLogger }).prover
    const challenge = { name: 'mail.test.com', token: 't', keyAuthorization: proof('t') }
    const presented = make().present(challenge)
    await clock.advance(1_000)
    assert.deepEqual(told, [])
    up = ['hk', 'odd']
    await clock.advance(1_000)
    await presented
    assert.deepEqual(told, ['hk', 'odd'])
    up = ['odd']
    const alone = make().present(challenge)
    await clock.advance(acmeLimits.challengePeersWaitMs + 1_000)
    await alone
    assert.deepEqual(told, ['hk', 'odd', 'odd'])
  })

  test('a node gets no proof for the host name of another, nor for names that are nobody’s', async () => {
    const { handlers, hk, odd } = makeMesh()
    const ask = (from: string, name: string, token = 'tok-2') =>
      handlers.get('hk')?.(from, encodeCbor({ name, token, keyAuthorization: proof(token) }))
    for (const name of [
      'hk.test.com',
      'test.com',
      'www.test.com',
      'mail.else.com',
      'mail.other.com',
      'x.mail.test.com',
    ]) {
      await assert.rejects(
        async () => ask('bj', name),
        (error) => isErrorCode(error, 'challenge-refused'),
        name,
      )
      assert.equal(await answerOf(hk, `http://${name}/.well-known/acme-challenge/tok-2`), '404')
    }
    await ask('bj', 'bj.test.com')
    await assert.rejects(async () => ask('odd', 'mail.test.com', 'tok-2'), /no more challenges/)
    await handlers.get('hk')?.('odd', encodeCbor({ name: 'bj.test.com', token: 'tok-2' }))
    assert.equal(await answerOf(hk, 'http://bj.test.com/.well-known/acme-challenge/tok-2'), proof('tok-2'))
    assert.equal(await answerOf(odd, 'http://bj.test.com/.well-known/acme-challenge/tok-2'), '404')
  })

  test('one peer can not fill the shelf for all', async () => {
    const { handlers } = makeMesh()
    const ask = (from: string, token: string) =>
      handlers.get('hk')?.(from, encodeCbor({ name: 'mail.test.com', token, keyAuthorization: proof(token) }))
    for (let index = 0; index < acmeLimits.challengesPerPeerMax; index++) await ask('bj', `t${index}`)
    await assert.rejects(
      async () => ask('bj', 'more'),
      (error) => isErrorCode(error, 'challenge-refused'),
    )
    await ask('odd', 'other')
  })

  test('whatever a peer sends, it is a challenge or refused', async () => {
    const { handlers, hk } = makeMesh()
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc
        .record({ name: fc.anything(), token: fc.anything(), keyAuthorization: fc.anything() }, { requiredKeys: [] })
        .map((value) => {
          try {
            return encodeCbor(value)
          } catch {
            return new Uint8Array()
          }
        }),
      fc
        .constantFrom('mail.test.com.', '*.test.com', '')
        .map((name) => encodeCbor({ name, token: 'x', keyAuthorization: 'x.y' })),
    )
    await fc.assert(
      fc.asyncProperty(anything, async (payload) => {
        await assert.rejects(
          async () => handlers.get('hk')?.('bj', payload),
          (error) => error instanceof SkeinError,
        )
      }),
      { numRuns: 1000 },
    )
    assert.equal(await answerOf(hk, 'http://mail.test.com/.well-known/acme-challenge/x'), '404')
  })
})

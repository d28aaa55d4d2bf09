import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { type Server, createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { systemClock as clock } from '@skein/runtime'
import { createMemoryDns } from '@skein/testkit'
import { type CertificateName, chainOf, pemOf } from '../../test/certificates.ts'
import { outsideLimits } from '../limits.ts'
import { StsFetchFailure, fetchStsPolicy } from './sts-fetch.ts'

const policy = 'version: STSv1\nmode: enforce\nmx: mx.there.example\nmax_age: 86400\n'
const good: RequestListener = (_request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end(policy)
}

/** A policy host whose name `host.pem` is good for: `*.wild.example`. */
async function fetchFrom(answer: RequestListener, chain: CertificateName[] = ['host', 'intermediate'], changes = {}) {
  const server: Server = createServer(chainOf(...(chain as [CertificateName])), answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const resolver = createMemoryDns({ 'A mta-sts.wild.example': ['127.0.0.1'], 'A mta-sts.else.example': ['127.0.0.1'] })
  const limits = { ...outsideLimits, stsFetchTimeoutMs: 2_000, ...changes }
  const terms = { resolver, clock, limits, port, authorities: [pemOf('authority')] }
  return {
    of: (domain: string) => fetchStsPolicy(domain, terms),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('fetching an MTA-STS policy (RFC 8461 §3.3)', () => {
  test('over HTTPS, with a certificate for the policy host', async () => {
    const asked: string[] = []
    await using host = await fetchFrom((request, response) => {
      asked.push(`${request.method} ${request.headers.host} ${request.url}`)
      good(request, response)
    })
    const fetched = await host.of('wild.example')
    assert.deepEqual([fetched.mode, fetched.mx, fetched.maxAgeSeconds], ['enforce', ['mx.there.example'], 86_400])
    assert.deepEqual(asked, ['GET mta-sts.wild.example /.well-known/mta-sts.txt'])
  })

  const bad: [string, RequestListener, CertificateName[], string, string][] = [
    ['a name that the certificate lacks', good, ['host', 'intermediate'], 'else.example', 'sts-webpki-invalid'],
    ['an authority that nobody knows', good, ['own'], 'wild.example', 'sts-webpki-invalid'],
    ['an expired certificate', good, ['expired', 'intermediate'], 'wild.example', 'sts-webpki-invalid'],
    ['no address', good, ['host', 'intermediate'], 'nowhere.example', 'sts-policy-fetch-error'],
    [
      'a redirect',
      (_, response) => void response.writeHead(301, { Location: 'https://mta-sts.wild.example/x' }).end(policy),
      ['host', 'intermediate'],
      'wild.example',
      'sts-policy-fetch-error',
    ],
    [
      'no such page',
      (_, response) => void response.writeHead(404, { 'Content-Type': 'text/plain' }).end(policy),
      ['host', 'intermediate'],
      'wild.example',
      'sts-policy-fetch-error',
    ],
    [
      'HTML',
      (_, response) => void response.writeHead(200, { 'Content-Type': 'text/html' }).end(policy),
      ['host', 'intermediate'],
      'wild.example',
      'sts-policy-fetch-error',
    ],
    [
      'more than a policy may have',
      (_, response) => void response.writeHead(200, { 'Content-Type': 'text/plain' }).end('x'.repeat(70_000)),
      ['host', 'intermediate'],
      'wild.example',
      'sts-policy-fetch-error',
    ],
    [
      'no policy',
      (_, response) => void response.writeHead(200, { 'Content-Type': 'text/plain' }).end('hello'),
      ['host', 'intermediate'],
      'wild.example',
      'sts-policy-invalid',
    ],
    [
      'a connection that breaks',
      (request) => request.socket.destroy(),
      ['host', 'intermediate'],
      'wild.example',
      'sts-policy-fetch-error',
    ],
    [
      'a page that never ends',
      (_, response) => void response.writeHead(200, { 'Content-Type': 'text/plain' }).write('version'),
      ['host', 'intermediate'],
      'wild.example',
      'sts-policy-fetch-error',
    ],
  ]
  for (const [what, answer, chain, domain, type] of bad) {
    test(`${what}: ${type}`, async () => {
      await using host = await fetchFrom(answer, chain, { stsFetchTimeoutMs: 500 })
      await assert.rejects(host.of(domain), (error) => {
        assert.ok(error instanceof StsFetchFailure, String(error))
        assert.equal(error.type, type, error.message)
        return true
      })
    })
  }
})

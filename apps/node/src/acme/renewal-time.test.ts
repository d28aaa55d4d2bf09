import 'reflect-metadata'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as x509 from '@peculiar/x509'
import { retryAfter } from './acme-client.ts'
import { acmeLimits } from './limits.ts'
import { certificateId, suggestedWindow } from './renewal-info.ts'
import { renewalTimeMs, retryPauseMs, suggestedTimeMs } from './renewal-time.ts'

const dayMs = 86_400_000

test('a certificate is due before its end, by a third of its life at most, and not at once everywhere', () => {
  const life = (days: number) => ({ notBeforeMs: 0, notAfterMs: days * dayMs })
  const cases: [days: number, beforeDays: number, share: number, dueDay: number][] = [
    [90, 30, 0, 60],
    [90, 30, 1, 57],
    [90, 10, 0, 80],
    [90, 89, 0, 60],
    [6, 30, 0, 4],
    [6, 30, 0.5, 3.9],
  ]
  for (const [days, before, share, due] of cases) {
    assert.equal(renewalTimeMs(life(days), before * dayMs, share) / dayMs, due)
  }
})

test('failures are tried again ever more seldom, never sooner than the authority asks', () => {
  const minutes = [1, 2, 3, 4, 5].map((failures) => retryPauseMs(failures, 0) / 60_000)
  assert.deepEqual(minutes, [5, 10, 20, 40, 80])
  assert.equal(retryPauseMs(50, 0), acmeLimits.retryMaxMs)
  assert.equal(retryPauseMs(1, 1), 375_000)
  assert.equal(retryPauseMs(1, 0, 7 * dayMs), 7 * dayMs)
  assert.equal(retryPauseMs(3, 0, 1), 1_200_000)
})

test('RFC 9110 §10.2.3: Retry-After in seconds or as a date', () => {
  const now = Date.parse('2026-11-30T08:00:00Z')
  assert.equal(retryAfter('120', now), 120_000)
  assert.equal(retryAfter('Mon, 30 Nov 2026 08:01:00 GMT', now), 60_000)
  assert.equal(retryAfter('Mon, 30 Nov 2026 07:00:00 GMT', now), 0)
  for (const text of [undefined, '', 'soon', '-5', '99999999999']) assert.equal(retryAfter(text, now), undefined)
})

test('RFC 9773 §4.1: the example of a certificate’s id', async () => {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const make = (extensions: x509.Extension[]) =>
    x509.X509CertificateGenerator.createSelfSigned(
      {
        serialNumber: '0087654321',
        name: 'CN=x',
        keys,
        signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
        extensions,
      },
      crypto,
    )
  const issuer = new x509.AuthorityKeyIdentifierExtension('69885b6b87464041e1b37b847ba0ae2cde01c8d4')
  const pem = (await make([issuer])).toString('pem')
  assert.equal(certificateId(pem), 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE')
  assert.equal(certificateId((await make([])).toString('pem')), undefined)

  const asked: string[] = []
  const clientThatSays = (status: number, json: unknown, renewalInfo?: string) =>
    ({
      directory: async () => ({
        newNonce: '',
        newAccount: '',
        newOrder: '',
        ...(renewalInfo !== undefined && { renewalInfo }),
      }),
      async get(url: string) {
        asked.push(url)
        return { status, headers: {}, text: '', json, retryAfterMs: undefined }
      },
    }) as unknown as Parameters<typeof suggestedWindow>[0]
  const window = { start: '2026-01-02T00:00:00Z', end: '2026-01-04T00:00:00Z' }
  const found = await suggestedWindow(clientThatSays(200, { suggestedWindow: window }, 'https://ca/info'), pem)
  assert.deepEqual(asked, ['https://ca/info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE'])
  assert.ok(found)
  assert.equal(new Date(suggestedTimeMs(found, 0.5)).toISOString(), '2026-01-03T00:00:00.000Z')
  const none: [number, unknown, string?][] = [
    [200, { suggestedWindow: window }],
    [404, { suggestedWindow: window }, 'https://ca/info'],
    [200, { suggestedWindow: { start: window.end, end: window.start } }, 'https://ca/info'],
    [200, { suggestedWindow: {} }, 'https://ca/info'],
    [200, undefined, 'https://ca/info'],
  ]
  for (const answer of none) assert.equal(await suggestedWindow(clientThatSays(...answer), pem), undefined)
})

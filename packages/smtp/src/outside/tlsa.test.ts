import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import type { TlsaRecord } from '@skein/runtime'
import fc from 'fast-check'
import { type CertificateName, certificate } from '../../test/certificates.ts'
import { type TlsaVerdict, isFor, matchTlsa, usableTlsa } from './tlsa.ts'

const nowMs = Date.UTC(2027, 0, 1)

function tlsa(usage: number, selector: number, matchingType: number, of: CertificateName): TlsaRecord {
  const whole = selector === 0 ? certificate(of).raw : certificate(of).publicKey.export({ type: 'spki', format: 'der' })
  const digest =
    matchingType === 0
      ? whole
      : createHash(matchingType === 1 ? 'sha256' : 'sha512')
          .update(whole)
          .digest()
  return { usage, selector, matchingType, data: new Uint8Array(digest) }
}

const sent: CertificateName[] = ['host', 'intermediate', 'authority']

describe('TLSA records (RFC 7672 §3)', () => {
  for (const selector of [0, 1]) {
    for (const matchingType of [0, 1, 2]) {
      const rows: [string, number, CertificateName, CertificateName[], string, TlsaVerdict][] = [
        ['its own certificate', 3, 'host', ['host'], 'any.name', 'matched'],
        ['its own, out of date', 3, 'expired', ['expired'], 'mx.there.example', 'matched'],
        ['another one', 3, 'own', sent, 'mx.there.example', 'no-match'],
        ['a certificate that is sent and not its own', 3, 'intermediate', sent, 'mx.there.example', 'no-match'],
        ['the authority', 2, 'authority', sent, 'mx.there.example', 'matched'],
        [
          'the authority, sent in another order',
          2,
          'authority',
          ['host', 'authority', 'intermediate'],
          'mx.there.example',
          'matched',
        ],
        ['an authority in between', 2, 'intermediate', ['host', 'intermediate'], 'mx.there.example', 'matched'],
        [
          'an authority whose part of the chain is missing',
          2,
          'authority',
          ['host', 'authority'],
          'mx.there.example',
          'no-match',
        ],
        ['a wildcard', 2, 'authority', sent, 'a.wild.example', 'matched'],
        ['a wildcard for two labels', 2, 'authority', sent, 'a.b.wild.example', 'wrong-name'],
        ['the authority, another host', 2, 'authority', sent, 'mx.else.example', 'wrong-name'],
        [
          'the authority of an expired one',
          2,
          'intermediate',
          ['expired', 'intermediate'],
          'mx.there.example',
          'expired',
        ],
        ['an authority that did not sign', 2, 'authority', ['own', 'authority'], 'somebody', 'no-match'],
        [
          'a chain longer than an authority allows',
          2,
          'authority',
          ['deep', 'too-deep', 'intermediate', 'authority'],
          'mx.there.example',
          'no-match',
        ],
        ['the last authority of it', 2, 'too-deep', ['deep', 'too-deep'], 'mx.there.example', 'matched'],
      ]
      for (const [what, usage, of, chain, name, verdict] of rows) {
        test(`${usage} ${selector} ${matchingType}: ${what}: ${verdict}`, () => {
          const records = usableTlsa([tlsa(usage, selector, matchingType, of)])
          assert.equal(records.length, 1)
          assert.equal(matchTlsa(records, chain.map(certificate), [name], nowMs), verdict)
        })
      }
    }
    // RFC 7672 §3.1.2: found whole in the DNS, it need not be sent.
    test(`2 ${selector} 0: an authority that is not sent`, () => {
      const records = [tlsa(2, selector, 0, 'authority')]
      const chain = [certificate('host'), certificate('intermediate')]
      assert.equal(matchTlsa(records, chain, ['mx.there.example'], nowMs), 'matched')
      assert.equal(matchTlsa(records, [certificate('own')], ['somebody'], nowMs), 'no-match')
    })
  }

  test('one of several is enough, none are none', () => {
    const wrong = tlsa(3, 1, 1, 'own')
    assert.equal(matchTlsa([wrong, tlsa(3, 1, 1, 'host')], [certificate('host')], [], nowMs), 'matched')
    assert.equal(matchTlsa([], [certificate('host')], [], nowMs), 'no-match')
    assert.equal(matchTlsa([wrong], [], [], nowMs), 'no-match')
  })

  test('usable and unusable ones', () => {
    const good = tlsa(3, 1, 1, 'host')
    const bad: TlsaRecord[] = [
      { ...good, usage: 0 },
      { ...good, usage: 1 },
      { ...good, usage: 4 },
      { ...good, selector: 2 },
      { ...good, matchingType: 3 },
      { ...good, data: good.data.subarray(1) },
      { ...good, matchingType: 2 },
      { ...good, matchingType: 0 },
      { ...good, data: new Uint8Array() },
    ]
    for (const record of bad) assert.deepEqual(usableTlsa([record, good]), [good])
  })

  test('of digests for the same thing the strongest counts (RFC 7671 §9)', () => {
    const weak = tlsa(3, 1, 1, 'host')
    const strong = tlsa(3, 1, 2, 'host')
    const other = tlsa(3, 0, 1, 'host')
    assert.deepEqual(usableTlsa([weak, strong, other]), [strong, other])
  })

  test('no record makes it throw', () => {
    const record = fc.record({
      usage: fc.integer({ min: 0, max: 4 }),
      selector: fc.integer({ min: 0, max: 2 }),
      matchingType: fc.integer({ min: 0, max: 3 }),
      data: fc.uint8Array({ maxLength: 80 }),
    })
    fc.assert(
      fc.property(fc.array(record, { maxLength: 5 }), fc.string(), (records, name) => {
        usableTlsa(records)
        assert.notEqual(matchTlsa(records, sent.map(certificate), [name], nowMs), 'matched')
      }),
    )
  })

  test('names that are none are not matched', () => {
    for (const name of ['', '\0', 'a\r\nb', '中', 'mx.there.example\0.else'])
      assert.equal(isFor(certificate('host'), name), false)
    assert.equal(isFor(certificate('own'), 'somebody'), true)
    assert.equal(isFor(certificate('own'), 'somebody', 'never'), false)
  })
})

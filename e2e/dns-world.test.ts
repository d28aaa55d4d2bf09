// The DNS world of the harness itself, seen through the resolver that a node uses.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDnsResolver } from '@skein/dns'
import { isErrorCode, silentLogger, systemClock } from '@skein/runtime'
import { DnsWorld, dnsWorldPrograms } from './harness/dns-world.ts'
import { skipWithout } from './system-packages.ts'

const digest = 'ab'.repeat(32)

test(
  'a signed, an unsigned and a bogus zone',
  { timeout: 60_000, skip: skipWithout(...dnsWorldPrograms) },
  async (t) => {
    const world = await DnsWorld.start({
      'signed.test': {
        lines: [
          '@ MX 10 mx',
          'mx A 127.0.0.9',
          `_25._tcp.mx TLSA 3 1 1 ${digest}`,
          'alias CNAME mx',
          'away CNAME mx.unsigned.test.',
        ],
        signing: 'signed',
      },
      'unsigned.test': { lines: ['@ MX 10 mx', 'mx A 127.0.0.8'] },
      'bogus.test': { lines: ['@ MX 10 mx', 'mx A 127.0.0.7'], signing: 'bogus' },
      '0.0.127.in-addr.arpa': { lines: ['9 PTR mx.signed.test.'] },
    })
    t.after(() => world.stop())
    const resolver = () =>
      createDnsResolver({ clock: systemClock, logger: silentLogger }, { servers: [world.resolver], keepMinMs: 0 })

    await t.test('authentic where the zone is signed, the whole way', async () => {
      const dns = resolver()
      assert.deepEqual(await dns.mx('signed.test'), {
        records: [{ exchange: 'mx.signed.test', preference: 10 }],
        authentic: true,
      })
      assert.deepEqual(await dns.a('alias.signed.test'), {
        records: ['127.0.0.9'],
        authentic: true,
        canonicalName: 'mx.signed.test',
      })
      assert.equal((await dns.tlsa('_25._tcp.mx.signed.test')).authentic, true)
      assert.deepEqual(await dns.aaaa('mx.signed.test'), { records: [], authentic: true })
      assert.equal((await dns.a('away.signed.test')).authentic, false)
      assert.equal((await dns.cname('away.signed.test')).authentic, true)
      assert.equal((await dns.mx('unsigned.test')).authentic, false)
      assert.deepEqual((await dns.ptr('127.0.0.9')).records, ['mx.signed.test'])
      await assert.rejects(dns.mx('nowhere.test'), (error) => isErrorCode(error, 'no-such-domain'))
    })

    await t.test('what is signed wrongly is no answer', async () => {
      await assert.rejects(resolver().mx('bogus.test'), (error) => isErrorCode(error, 'dns-bogus'))
    })

    await t.test('a zone changes at once, and may be mended', async () => {
      await world.set('bogus.test', { lines: ['@ MX 20 other'], signing: 'signed' })
      assert.deepEqual(await resolver().mx('bogus.test'), {
        records: [{ exchange: 'other.bogus.test', preference: 20 }],
        authentic: true,
      })
      await world.set('new.test', { lines: ['@ TXT "hello"'], signing: 'signed' })
      assert.deepEqual(await resolver().txt('new.test'), { records: ['hello'], authentic: true })
    })
  },
)

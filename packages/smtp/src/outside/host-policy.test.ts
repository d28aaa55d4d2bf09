import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SkeinError } from '@skein/runtime'
import { type MemoryZone, createMemoryDns } from '@skein/testkit'
import { type TlsWish, termsFor } from './host-policy.ts'
import { findMailHosts } from './mail-hosts.ts'
import type { StsAnswer } from './sts-policies.ts'
import { parseStsPolicy } from './sts-policy.ts'

const digest = 'ab'.repeat(32)
const good = `3 1 1 ${digest}`
const bogus = new SkeinError('dns-bogus', 'temporary', 'signatures')
const zone: MemoryZone = {
  'MX there.example': ['10 mx.there.example'],
  'A mx.there.example': ['192.0.2.1'],
  'AAAA mx.there.example': [],
}
const signed = ['there.example']

function sts(mode: string, mx: string): StsAnswer {
  return { policy: parseStsPolicy(`version: STSv1\nmode: ${mode}\nmx: ${mx}\nmax_age: 60`), failure: null }
}

const settings = {
  routes: {},
  own: { hostNames: [], addresses: [], ports: [25] },
  addressesTriedMax: 5,
  mxRecordsMax: 5,
  sorted: (addresses: readonly string[]) => [...addresses],
}

interface Case {
  zone?: MemoryZone
  signed?: string[]
  sts?: StsAnswer | null
  wish?: TlsWish
  routes?: Record<string, string>
}

async function decide(given: Case) {
  const resolver = createMemoryDns({ ...zone, ...given.zone }, given.signed ?? signed)
  const random = { bytes: (length: number) => new Uint8Array(length), next: () => 0 }
  const found = await findMailHosts('there.example', { resolver, random }, { ...settings, routes: given.routes ?? {} })
  assert.ok('hosts' in found, JSON.stringify(found))
  const [host] = found.hosts
  assert.ok(host)
  const terms = await termsFor(host, found, given.sts ?? null, given.wish ?? 'policy', resolver)
  if ('outcome' in terms) {
    const { kind, status, text } = terms.outcome
    return { said: `${kind} ${status}`, text, terms: undefined, questions: resolver.questions }
  }
  const trial = terms.isTrial ? ' on trial' : ''
  return { said: `${terms.demand.kind}${trial}`, text: '', terms, questions: resolver.questions }
}

const tlsa = { 'TLSA _25._tcp.mx.there.example': [good] }

describe('what TLS must show (DANE before MTA-STS before whatever is offered)', () => {
  const rows: [string, Case, string][] = [
    ['no policy', {}, 'opportunistic'],
    ['TLSA', { zone: tlsa }, 'dane'],
    ['TLSA in an unsigned zone', { zone: tlsa, signed: [] }, 'opportunistic'],
    ['TLSA of a host that an unsigned MX names', { zone: tlsa, signed: ['mx.there.example'] }, 'opportunistic'],
    ['TLSA that nobody can use', { zone: { 'TLSA _25._tcp.mx.there.example': [`1 1 1 ${digest}`] } }, 'encrypted'],
    [
      'one that can be used among others',
      { zone: { 'TLSA _25._tcp.mx.there.example': [`0 0 1 ${digest}`, good] } },
      'dane',
    ],
    ['bogus TLSA', { zone: { 'TLSA _25._tcp.mx.there.example': bogus } }, 'temporary 4.7.5'],
    [
      'TLSA that could not be had, under MTA-STS',
      { zone: { 'TLSA _25._tcp.mx.there.example': bogus }, sts: sts('enforce', 'mx.there.example') },
      'temporary 4.7.5',
    ],
    [
      'TLSA not asked for where the zone is unsigned',
      { zone: { 'TLSA _25._tcp.mx.there.example': bogus }, signed: [] },
      'opportunistic',
    ],
    ['DANE before MTA-STS', { zone: tlsa, sts: sts('enforce', 'other.example') }, 'dane'],
    ['MTA-STS', { sts: sts('enforce', '*.there.example') }, 'webpki'],
    ['MTA-STS, another host', { sts: sts('enforce', 'other.example') }, 'temporary 4.7.5'],
    ['MTA-STS on trial', { sts: sts('testing', 'mx.there.example') }, 'webpki on trial'],
    ['MTA-STS on trial, another host', { sts: sts('testing', 'other.example') }, 'webpki on trial'],
    ['REQUIRETLS, DANE', { zone: tlsa, wish: 'verified' }, 'dane'],
    [
      'REQUIRETLS, unusable TLSA, MX by DNSSEC',
      { zone: { 'TLSA _25._tcp.mx.there.example': [`1 1 1 ${digest}`] }, wish: 'verified' },
      'webpki',
    ],
    ['REQUIRETLS, MX by DNSSEC', { wish: 'verified' }, 'webpki'],
    ['REQUIRETLS, MTA-STS', { wish: 'verified', signed: [], sts: sts('enforce', 'mx.there.example') }, 'webpki'],
    [
      'REQUIRETLS makes a trial earnest',
      { wish: 'verified', signed: [], sts: sts('testing', 'mx.there.example') },
      'webpki',
    ],
    [
      'REQUIRETLS, another host',
      { wish: 'verified', signed: [], sts: sts('enforce', 'other.example') },
      'permanent 5.7.10',
    ],
    ['REQUIRETLS, nothing', { wish: 'verified', signed: [] }, 'permanent 5.7.10'],
    ['TLS-Required: No under DANE', { zone: tlsa, wish: 'optional' }, 'opportunistic'],
    ['TLS-Required: No under MTA-STS', { wish: 'optional', sts: sts('enforce', 'other.example') }, 'opportunistic'],
    [
      'implicit MX with TLSA',
      {
        zone: {
          'MX there.example': [],
          'A there.example': ['192.0.2.1'],
          'AAAA there.example': [],
          'TLSA _25._tcp.there.example': [good],
        },
      },
      'dane',
    ],
    [
      'a configured route',
      {
        zone: { 'A relay.example': ['192.0.2.9'], 'AAAA relay.example': [], 'TLSA _2525._tcp.relay.example': [good] },
        signed: ['relay.example'],
        routes: { '*': 'relay.example:2525' },
      },
      'dane',
    ],
    ['a configured route to an address', { routes: { '*': '192.0.2.9:25' }, wish: 'verified' }, 'permanent 5.7.10'],
  ]
  for (const [what, given, said] of rows) {
    test(`${what}: ${said}`, async () => assert.equal((await decide(given)).said, said))
  }

  const alias: MemoryZone = {
    'MX there.example': ['10 alias.there.example'],
    'CNAME alias.there.example': ['mx.there.example'],
  }
  test('an alias: records at its end, named by both (RFC 7672 §2.2.3, §3.2.2)', async () => {
    const { terms } = await decide({ zone: { ...alias, ...tlsa } })
    assert.deepEqual(terms?.demand.kind === 'dane' && terms.demand.names, [
      'mx.there.example',
      'alias.there.example',
      'there.example',
    ])
    assert.equal(terms?.serverName, 'mx.there.example')
  })
  test('an alias: records at its own name', async () => {
    const { terms } = await decide({ zone: { ...alias, 'TLSA _25._tcp.alias.there.example': [good] } })
    assert.equal(terms?.demand.kind, 'dane')
    assert.equal(terms?.serverName, 'alias.there.example')
  })
  test('an alias that leads into an unsigned zone: its own name counts alone', async () => {
    const away: MemoryZone = {
      'MX there.example': ['10 alias.there.example'],
      'CNAME alias.there.example': ['mx.else.example'],
      'A mx.else.example': ['192.0.2.1'],
      'AAAA mx.else.example': [],
      'TLSA _25._tcp.mx.else.example': [`3 1 1 ${'cd'.repeat(32)}`],
    }
    assert.equal((await decide({ zone: away })).said, 'opportunistic')
    const { terms } = await decide({ zone: { ...away, 'TLSA _25._tcp.alias.there.example': [good] } })
    assert.equal(terms?.serverName, 'alias.there.example')
  })

  test('connections under different terms are not used for each other', async () => {
    const keys = new Set<string | undefined>()
    for (const given of [{}, { zone: tlsa }, { sts: sts('enforce', 'mx.there.example') }] as Case[]) {
      keys.add((await decide(given)).terms?.key)
    }
    assert.equal(keys.size, 3)
    assert.equal((await decide({ sts: sts('testing', 'x.example') })).terms?.key, (await decide({})).terms?.key)
  })

  test('why a host is left alone stands in the text', async () => {
    const { text } = await decide({ zone: { 'TLSA _25._tcp.mx.there.example': bogus } })
    assert.match(text, /TLSA records of mx\.there\.example are not known, so nothing is sent there: signatures/)
  })
})

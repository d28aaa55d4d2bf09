import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NodeRecord } from '@skein/accounts'
import { SkeinError } from '@skein/runtime'
import { mtaStsPolicy } from '../mta-sts/policy.ts'
import { nodeRecord } from '../node-fixture.ts'
import { compareDns } from './comparison.ts'
import type { DnsFinding } from './finding.ts'
import { planDns } from './records.ts'
import { reverseName } from './reverse-name.ts'
import type { DnsRecord, DnsZone } from './zone.ts'
import { formatZones } from './zone-file.ts'

const allPorts = { smtp: 25, submission: 587, submissions: 465, imap: 143, imaps: 993, http: 80, https: 443 }

function node(name: string, address: string, fields: Partial<NodeRecord> = {}): NodeRecord {
  const addresses = [`/${address.includes(':') ? 'ip6' : 'ip4'}/${address}/tcp/9835`]
  return nodeRecord(name, { addresses, services: allPorts, ...fields })
}

const bj = node('bj', '8.8.8.1', {
  priority: 10,
  dkim: [{ selector: 'bj1', record: 'v=DKIM1; k=rsa; p=AAAA' }],
  tlsKeys: ['a'.repeat(64), 'b'.repeat(64)],
  authority: 'letsencrypt.org',
  addresses: ['/ip4/8.8.8.1/tcp/1', '/ip6/2400::1/tcp/1', '/ip4/10.0.0.1/tcp/1'],
})
const hk = node('hk', '8.8.8.2')
const lines = (zone: DnsZone | undefined) =>
  zone?.records.map(({ name, type, value }) => `${name} ${type} ${value}`) ?? []

describe('what should be published', () => {
  test('two nodes, one domain', () => {
    const [zone] = planDns({ domains: [{ name: 'test.com' }], nodes: [hk, bj] })
    assert.deepEqual(lines(zone), [
      'test.com MX 10 bj.test.com',
      'test.com MX 100 hk.test.com',
      'test.com TXT v=spf1 ip6:2400::1 ip4:8.8.8.1 ip4:8.8.8.2 -all',
      'bj1._domainkey.test.com TXT v=DKIM1; k=rsa; p=AAAA',
      '_dmarc.test.com TXT v=DMARC1; p=none; rua=mailto:postmaster@test.com',
      `_mta-sts.test.com TXT v=STSv1; id=${mtaStsPolicy('testing', [bj, hk]).id};`,
      '_smtp._tls.test.com TXT v=TLSRPTv1; rua=mailto:postmaster@test.com',
      'test.com CAA 0 issue "letsencrypt.org"',
      ...['submissions 465', 'submission 587', 'imaps 993', 'imap 143'].flatMap((text) => {
        const [service, port] = text.split(' ')
        return [
          `_${service}._tcp.test.com SRV 10 1 ${port} bj.test.com`,
          `_${service}._tcp.test.com SRV 100 1 ${port} hk.test.com`,
        ]
      }),
      '_pop3s._tcp.test.com SRV 0 0 0 .',
      '_pop3._tcp.test.com SRV 0 0 0 .',
      ...['mail', 'autoconfig', 'autodiscover', 'mta-sts'].flatMap((label) => [
        `${label}.test.com A 8.8.8.1`,
        `${label}.test.com AAAA 2400::1`,
        `${label}.test.com A 8.8.8.2`,
      ]),
      '_autodiscover._tcp.test.com SRV 10 1 443 bj.test.com',
      '_autodiscover._tcp.test.com SRV 100 1 443 hk.test.com',
      'hk.test.com A 8.8.8.2',
      'bj.test.com A 8.8.8.1',
      'bj.test.com AAAA 2400::1',
      `_25._tcp.bj.test.com TLSA 3 1 1 ${'a'.repeat(64)}`,
      `_25._tcp.bj.test.com TLSA 3 1 1 ${'b'.repeat(64)}`,
    ])
    assert.deepEqual(zone?.notes, [])
  })

  test('host names of another domain stand apart; a witness and a disabled node get no mail', () => {
    const nodes = [
      node('a', '8.8.8.1', { hostName: 'mx.elsewhere.net' }),
      node('b', '8.8.8.2', { enabled: false, hostName: 'b.sub.test.com' }),
      node('w', '8.8.8.3', { witness: true }),
    ]
    const zones = planDns({ domains: [{ name: 'test.com' }, { name: 'sub.test.com' }], nodes })
    assert.deepEqual(
      zones.map(({ name }) => name),
      ['test.com', 'sub.test.com', ''],
    )
    assert.deepEqual(
      lines(zones[0]).filter((line) => / MX | CNAME | TXT v=spf/.test(line)),
      [
        'test.com MX 100 mx.elsewhere.net',
        'test.com TXT v=spf1 ip4:8.8.8.1 ip4:8.8.8.2 -all',
        'mail.test.com CNAME mx.elsewhere.net',
        'autoconfig.test.com CNAME mx.elsewhere.net',
        'autodiscover.test.com CNAME mx.elsewhere.net',
        'mta-sts.test.com CNAME mx.elsewhere.net',
      ],
    )
    assert.ok(lines(zones[1]).includes('b.sub.test.com A 8.8.8.2'))
    assert.deepEqual(lines(zones[2]), [
      'mx.elsewhere.net A 8.8.8.1',
      '1.8.8.8.in-addr.arpa PTR mx.elsewhere.net',
      '2.8.8.8.in-addr.arpa PTR b.sub.test.com',
    ])
  })

  test('what an operator must know beside the records', () => {
    const nodes = [
      node('a', '10.0.0.1', { services: { smtp: 10_025 } }),
      node('b', '8.8.8.2', { addresses: ['/dns/b.example/tcp/9835'], services: {} }),
    ]
    const notes = planDns({ domains: [{ name: 'test.com' }], nodes })[0]?.notes.join('\n') ?? ''
    assert.match(notes, /a announces no public address.*10\.0\.0\.1/)
    assert.match(notes, /a takes mail on port 10025/)
    assert.match(notes, /b announces itself by names only/)
    assert.match(notes, /b has not said its ports/)
  })

  test('as a zone file: absolute names, long texts in pieces', () => {
    const text = `v=spf1 ${'ip4:8.8.8.8 '.repeat(40)}-all`
    const zone: DnsZone = {
      name: 'test.com',
      notes: ['be careful'],
      records: [
        { name: 'test.com', type: 'TXT', value: text },
        { name: '_pop3._tcp.test.com', type: 'SRV', value: '0 0 0 .' },
        { name: 'test.com', type: 'MX', value: '10 bj.test.com' },
      ],
    }
    const file = formatZones([zone])
    assert.match(file, /^; zone test\.com\n; note: be careful\n/)
    assert.match(file, /^_pop3\._tcp\.test\.com\. 3600 IN SRV +0 0 0 \.$/m)
    assert.match(file, /^test\.com\. +3600 IN MX +10 bj\.test\.com\.$/m)
    const pieces = [...(/TXT +(.*)$/m.exec(file)?.[1] ?? '').matchAll(/"([^"]*)"/g)].map((match) => match[1] as string)
    assert.equal(pieces.join(''), text)
    assert.ok(pieces.every((piece) => piece.length <= 255))
  })
})

describe('what is published', () => {
  const zones = planDns({ domains: [{ name: 'test.com' }], nodes: [bj, hk] })
  const records = zones.flatMap((zone) => zone.records)

  async function compare(published: DnsRecord[], broken?: string): Promise<Map<string, DnsFinding>> {
    const findings = await compareDns(zones, {
      async records(name, type) {
        if (name === broken) throw new SkeinError('dns-failed', 'temporary', 'no answer')
        return published.filter((one) => one.name === name && one.type === type).map(({ value }) => value)
      },
    })
    return new Map(findings.map((finding) => [`${finding.type} ${finding.name}`, finding]))
  }
  const states = (found: Map<string, DnsFinding>) =>
    [...found].filter(([, { state }]) => state !== 'right').map(([key, { state }]) => `${state} ${key}`)
  const without = (pick: (record: DnsRecord) => boolean, ...more: DnsRecord[]) => [
    ...records.filter((one) => !pick(one)),
    ...more,
  ]
  const spf = (value: string) =>
    without(({ value: old }) => old.startsWith('v=spf1'), { name: 'test.com', type: 'TXT', value })

  test('all as it should be, in whatever spelling', async () => {
    assert.deepEqual(states(await compare(records)), [])
    const shouted = records.map((one) => (one.type === 'MX' ? { ...one, value: `${one.value.toUpperCase()}.` } : one))
    assert.deepEqual(states(await compare(shouted)), [])
    const long = records.map((one) => (one.type === 'AAAA' ? { ...one, value: '2400:0:0:0::0001' } : one))
    assert.deepEqual(states(await compare(long)), [])
    const other: DnsRecord = { name: 'test.com', type: 'TXT', value: 'some-verification=1' }
    assert.deepEqual(states(await compare([...records, other])), [])
  })

  test('missing, wrong, more than there should be, not answered', async () => {
    assert.deepEqual(states(await compare(without(({ value }) => value === '10 bj.test.com'))), ['missing MX test.com'])
    const otherMx: DnsRecord = { name: 'test.com', type: 'MX', value: '5 mx.old.net' }
    assert.deepEqual(states(await compare([...records, otherMx])), ['extra MX test.com'])
    const moved = await compare(
      without(({ name }) => name === 'hk.test.com', { name: 'hk.test.com', type: 'A', value: '9.9.9.9' }),
    )
    assert.deepEqual(states(moved), ['wrong A hk.test.com', 'wrong PTR 2.8.8.8.in-addr.arpa'])
    assert.equal(moved.get('A hk.test.com')?.text, 'says 9.9.9.9; should say 8.8.8.2')
    assert.deepEqual(states(await compare(records, '_imaps._tcp.test.com')), ['unknown SRV _imaps._tcp.test.com'])
    const none = await compare([])
    assert.equal(states(none).length, none.size)
  })

  test('names for setting up may lead to any of the nodes, and to none of others', async () => {
    const one = without(({ name, value }) => name === 'autoconfig.test.com' && value !== '8.8.8.2')
    assert.deepEqual(states(await compare(one)), [])
    const stray: DnsRecord = { name: 'autoconfig.test.com', type: 'A', value: '9.9.9.9' }
    assert.deepEqual(states(await compare([...records, stray])), ['wrong A autoconfig.test.com'])
  })

  test('one domain alone, whose names lead to hosts in another', async () => {
    const mesh = planDns({ domains: [{ name: 'test.com' }, { name: 'other.com' }], nodes: [bj] })
    const published = mesh.flatMap((zone) => zone.records)
    const shared = ['mail', 'autoconfig', 'autodiscover', 'mta-sts'].map((label) => ({
      name: `${label}.other.com`,
      type: 'A' as const,
      value: '8.8.8.1',
    }))
    const lookup = {
      records: async (name: string, type: string) =>
        [...published, ...shared].filter((one) => one.name === name && one.type === type).map(({ value }) => value),
    }
    const findings = await compareDns(mesh.slice(1, 2), lookup, mesh)
    assert.deepEqual(new Set(findings.map(({ state }) => state)), new Set(['right']))
    assert.ok(findings.every(({ name }) => name.endsWith('other.com')))
  })

  test('SPF is weighed, not only compared', async () => {
    const cases: [string, string[]][] = [
      ['v=spf1 ip4:8.8.8.0/24 ip6:2400::/16 ~all', []],
      ['v=spf1 mx -all', []],
      ['v=spf1 include:_spf.example.net -all', ['wrong TXT test.com']],
      ['v=spf1 a:bj.test.com a:hk.test.com/24 -all', []],
      ['v=spf1 exists:%{i}.test.com -all', ['advice TXT test.com']],
      ['v=spf1 redirect=test.com', ['wrong TXT test.com']],
      [`v=spf1 ${'a:bj.test.com '.repeat(11)}-all`, ['wrong TXT test.com']],
      ['v=spf1 mx ipv4:8.8.8.1 -all', ['wrong TXT test.com']],
      ['v=spf1 ip4:8.8.8.1 -all', ['wrong TXT test.com']],
      ['v=spf1 ip4:not-an-address -all', ['wrong TXT test.com']],
      ['v=spf1 mx +all', ['wrong TXT test.com']],
      ['v=spf10 mx', ['missing TXT test.com']],
    ]
    for (const [value, expected] of cases) assert.deepEqual(states(await compare(spf(value))), expected, value)
    const two = [...records, { name: 'test.com', type: 'TXT' as const, value: 'v=spf1 -all' }]
    assert.deepEqual(states(await compare(two)), ['wrong TXT test.com'])
  })
})

test('names under which addresses have names', () => {
  const v6 = (digits: string) => `${digits.split('').reverse().join('.')}.ip6.arpa`
  const cases: [string, string][] = [
    ['192.0.2.1', '1.2.0.192.in-addr.arpa'],
    ['2001:db8::1', v6(`20010db8${'0'.repeat(23)}1`)],
    ['2001:DB8:0:0:0:0:0:1', v6(`20010db8${'0'.repeat(23)}1`)],
    ['::', v6('0'.repeat(32))],
    ['::ffff:192.0.2.1', v6(`${'0'.repeat(20)}ffffc0000201`)],
  ]
  for (const [address, name] of cases) assert.equal(reverseName(address), name)
})

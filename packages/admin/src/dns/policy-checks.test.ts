// Each fault of a published record beside the record that is right: how it is told, and what is to be published instead.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NodeRecord } from '@skein/accounts'
import { nodeRecord } from '../node-fixture.ts'
import { compareDns } from './comparison.ts'
import { type DnsFinding, type DnsSigning, isFault } from './finding.ts'
import { probeServices } from './probes.ts'
import { planDns } from './records.ts'
import type { DnsRecord, DnsType } from './zone.ts'

const current = 'a'.repeat(64)
const next = 'b'.repeat(64)
const other = 'c'.repeat(64)

const bj = nodeRecord('bj', {
  addresses: ['/ip4/8.8.8.1/tcp/9835', '/ip6/2400::1/tcp/9835'],
  priority: 10,
  services: { smtp: 25, imaps: 993, https: 443 },
  dkim: [{ selector: 'bj1', record: 'v=DKIM1; k=ed25519; p=Ab/Cd+==' }],
  tlsKeys: [current, next],
  authority: 'ca.example',
})

const zones = planDns({ domains: [{ name: 'test.com' }], nodes: [bj] })
const records = zones.flatMap((zone) => zone.records)
const idOf = (name: string) => records.find((one) => one.name === name)?.value ?? ''

/** What is published: all that should be, but for these names and types. */
function world(changes: Record<string, string[]>, more: DnsRecord[] = [], signing: DnsSigning = 'signed') {
  const published = records.filter(({ name, type }) => !(`${type} ${name}` in changes))
  for (const [key, values] of Object.entries(changes)) {
    const [type, name] = key.split(' ') as [DnsType, string]
    for (const value of values) published.push({ name, type, value })
  }
  published.push(...more)
  return {
    async records(name: string, type: DnsType) {
      const alias = published.find((one) => one.name === name && one.type === 'CNAME')?.value
      const at = type === 'CNAME' ? name : (alias ?? name)
      return published.filter((one) => one.name === at && one.type === type).map(({ value }) => value)
    },
    signing: async () => signing,
  }
}

async function judged(changes: Record<string, string[]>, more?: DnsRecord[], signing?: DnsSigning) {
  return (await compareDns(zones, world(changes, more, signing))).filter(({ state }) => state !== 'right')
}
const told = (found: DnsFinding[]) => found.map(({ state, type, name }) => `${state} ${type} ${name}`)

test('all that is planned is right, and right all the way', async () => {
  assert.deepEqual(await judged({}), [])
})

const dkim = 'TXT bj1._domainkey.test.com'
const dmarc = 'TXT _dmarc.test.com'
const sts = 'TXT _mta-sts.test.com'
const rpt = 'TXT _smtp._tls.test.com'
const tlsa = 'TLSA _25._tcp.bj.test.com'
const ptr = 'PTR 1.8.8.8.in-addr.arpa'

const cases: [
  key: string,
  values: string[],
  state: string | undefined,
  text?: RegExp | undefined,
  more?: DnsRecord[],
][] = [
  [dkim, [], 'missing', /no DKIM record/],
  [dkim, ['k=ed25519;p=Ab/Cd+=='], undefined],
  [dkim, ['v=DKIM1; k=ed25519; p=Ab/ Cd+=='], undefined],
  [dkim, ['v=DKIM1; k=ed25519; p=ab/cd+=='], 'wrong', /another key/],
  [dkim, ['v=DKIM1; p=Ab/Cd+=='], 'wrong', /another key/],
  [dkim, ['v=DKIM1; k=ed25519; p='], 'wrong', /withdrawn/],
  [dkim, ['hello'], 'wrong', /is no DKIM record/],
  [dmarc, [], 'missing', /no DMARC record/],
  [dmarc, ['v=DMARC1; p=reject; rua=mailto:reports@test.com'], undefined],
  [dmarc, ['v=DMARC1; p=reject; sp=none; np=reject; t=y; rua=mailto:a@mail.test.com,mailto:b@test.com!10m'], undefined],
  [dmarc, ['v=DMARC1; p=quarantine'], 'advice', /asks for no reports/],
  [dmarc, ['v=DMARC1; rua=mailto:a@test.com'], 'wrong', /no p=none/],
  [dmarc, ['v=DMARC1; p=deny'], 'wrong', /no p=none/],
  [dmarc, ['v=DMARC1; p=none; pct=20; rua=mailto:a@test.com'], 'advice', /nobody reads/],
  [dmarc, ['v=DMARC1; p=none; t=maybe; rua=mailto:a@test.com'], 'wrong', /t=maybe/],
  [dmarc, ['v=DMARC1; p=none; np=x; rua=mailto:a@test.com'], 'wrong', /np=x/],
  [dmarc, ['v=DMARC1; p=none; p=reject; rua=mailto:a@test.com'], 'wrong', /can't be read/],
  [dmarc, ['v=DMARC1; p=none; sp=all; rua=mailto:a@test.com'], 'wrong', /sp=all/],
  [dmarc, ['v=DMARC1; p=none; rua=a@test.com'], 'wrong', /no mailto/],
  [dmarc, ['v=DMARC1; p=none; hello'], 'wrong', /can't be read/],
  [dmarc, ['v=DMARC1; p=none', 'v=DMARC1; p=reject'], 'wrong', /2 DMARC records/],
  [dmarc, ['v=DMARC1; p=none; rua=mailto:a@reports.example'], 'wrong', /has not agreed/],
  [
    dmarc,
    ['v=DMARC1; p=none; rua=mailto:a@reports.example'],
    undefined,
    undefined,
    [{ name: 'test.com._report._dmarc.reports.example', type: 'TXT', value: 'v=DMARC1' }],
  ],
  [sts, [], 'missing', /no MTA-STS record/],
  [sts, ['v=STSv1; id=20160831085700Z;'], 'wrong', /older policy/],
  [sts, [idOf('_mta-sts.test.com').replace('; id', ' ;id')], undefined],
  [rpt, [], 'missing'],
  [rpt, ['v=TLSRPTv1; rua=https://reports.example/tls,mailto:a@b.example'], undefined],
  [rpt, ['v=TLSRPTv1; rua=reports.example'], 'wrong', /no place/],
  [rpt, ['v=TLSRPTv1;'], 'wrong', /no place/],
  [tlsa, [], 'missing', /though the zone is signed/],
  [tlsa, [`3 1 1 ${other}`], 'wrong', /no key of the certificate in use/],
  [tlsa, [`3 1 1 ${next}`], 'wrong', /no key of the certificate in use/],
  [tlsa, [`3 1 1 ${current}`], 'missing', /lacks the key that comes next/],
  [tlsa, [`3 1 1 ${current.toUpperCase()}`, `3 1 1 ${next}`], undefined],
  [tlsa, [`3 1 1 ${current}`, `3 1 1 ${next}`, `3 1 1 ${other}`], 'advice', /not used here/],
  [tlsa, [`2 0 1 ${other}`], 'advice', /not weighed/],
  ['CAA test.com', [], 'advice', /any authority/],
  ['CAA test.com', ['0 issue "other.example"'], 'wrong', /renewals will be refused/],
  ['CAA test.com', ['0 issue ";"'], 'wrong', /only nobody/],
  ['CAA test.com', ['0 issue "other.example"', '0 issue "CA.example; validationmethods=dns-01"'], undefined],
  ['CAA test.com', [], 'wrong', /other\.example/, [{ name: 'com', type: 'CAA', value: '0 issue "other.example"' }]],
  [ptr, [], 'missing', /8\.8\.8\.1 has no name/],
  [ptr, ['host.isp.example'], 'wrong', /does not lead back/],
  [
    ptr,
    ['h.isp.example'],
    'advice',
    /not as the node greets/,
    [{ name: 'h.isp.example', type: 'A', value: '8.8.8.1' }],
  ],
  [`PTR ${records.find(({ name }) => name.endsWith('.ip6.arpa'))?.name}`, [], 'missing', /2400::1 has no name/],
  ['MX test.com', ['10 bj.test.com', '20 old.example'], 'extra', /old\.example/],
]

describe('a published record is judged by what it means', () => {
  for (const [key, values, state, text, more] of cases) {
    test(`${key}: ${values.join(' | ') || 'nothing'} is ${state ?? 'right'}`, async () => {
      const found = await judged({ [key]: values }, more)
      assert.deepEqual(told(found), state === undefined ? [] : [`${state} ${key}`])
      if (text) assert.match(found[0]?.text ?? '', text)
      for (const finding of found) assert.ok((finding.fix ?? '').length > 5, 'each fault has a fix')
    })
  }

  test('what is published as the fix said is right afterwards', async () => {
    for (const [key, values, , , more] of cases) {
      for (const finding of (await judged({ [key]: values }, more)).filter(({ state }) => isFault(state))) {
        const [fixed] = finding.publish ?? []
        if (fixed === undefined) continue
        const place = `${fixed.type} ${fixed.name}`
        const isAdded = finding.state !== 'wrong' || fixed.type === 'CAA'
        const wanted = (finding.publish ?? []).map(({ value }) => value)
        const kept = isAdded && place === key ? values : []
        const after = await judged({ [key]: values, [place]: [...kept, ...wanted] }, more)
        const faults = after.filter(({ state: now }) => isFault(now))
        assert.deepEqual(faults, [], `${key}: ${values.join()}`)
      }
    }
  })
})

test('TLSA in a zone that nobody can verify', async () => {
  for (const signing of ['unsigned', 'island', 'unknown'] as const) {
    assert.deepEqual(told(await judged({ [tlsa]: [] }, [], signing)), [`advice ${tlsa}`, 'advice DNSSEC test.com'])
    assert.deepEqual(told(await judged({ [tlsa]: [`3 1 1 ${other}`] }, [], signing))[0], `wrong ${tlsa}`)
  }
})

test('an exchanger is no alias', async () => {
  const alias: DnsRecord[] = [
    { name: 'bj.test.com', type: 'CNAME', value: 'host.example' },
    { name: 'host.example', type: 'A', value: '8.8.8.1' },
    { name: 'host.example', type: 'AAAA', value: '2400::1' },
  ]
  const found = await judged({ 'A bj.test.com': [], 'AAAA bj.test.com': [] }, alias)
  const wrong = told(found).filter((line) => line.startsWith('wrong'))
  assert.deepEqual(wrong, ['wrong A bj.test.com', 'wrong AAAA bj.test.com'])
})

describe('many nodes', () => {
  const many = Array.from({ length: 100 }, (_, index): NodeRecord => {
    return {
      ...bj,
      id: `n${index}`,
      name: `n${index}`,
      hostName: `n${index}.test.com`,
      addresses: [`/ip4/9.9.${index}.101/tcp/1`],
    }
  })

  test('SPF is divided, and each part fits into one answer', async () => {
    const plan = planDns({ domains: [{ name: 'test.com' }], nodes: many })
    const all = plan.flatMap((zone) => zone.records)
    const policies = all.filter(({ value }) => value.startsWith('v=spf1'))
    assert.match(policies[0]?.value ?? '', /^v=spf1 include:_spf1\.test\.com .*include:_spf4\.test\.com -all$/)
    assert.ok(policies.every(({ value }) => value.length <= 400))
    assert.equal(policies.flatMap(({ value }) => value.match(/ip4:/g) ?? []).length, 100)
    const lookup = {
      records: async (name: string, type: DnsType) =>
        all.filter((one) => one.name === name && one.type === type).map(({ value }) => value),
    }
    const spf = (await compareDns(plan, lookup)).find(({ name, type }) => name === 'test.com' && type === 'TXT')
    assert.equal(spf?.state, 'right')
  })

  test('more than receivers look up is said', () => {
    const more = Array.from({ length: 300 }, (_, index): NodeRecord => {
      return { ...bj, id: `m${index}`, name: `m${index}`, addresses: [`/ip4/9.${index >> 8}.${index & 255}.101/tcp/1`] }
    })
    assert.match(planDns({ domains: [{ name: 'test.com' }], nodes: more })[0]?.notes.join() ?? '', /more look-ups/)
  })

  test('MX by priority, equal, or the own region first', () => {
    const nodes = [bj, { ...bj, id: 'hk', name: 'hk', hostName: 'hk.test.com', priority: 5, region: 'hk' }]
    const exchangers = (settings: Parameters<typeof planDns>[1]) =>
      planDns({ domains: [{ name: 'test.com' }], nodes }, settings)[0]
        ?.records.filter(({ type }) => type === 'MX')
        .map(({ value }) => value)
    assert.deepEqual(exchangers({}), ['5 hk.test.com', '10 bj.test.com'])
    assert.deepEqual(exchangers({ exchangers: 'equal' }), ['10 hk.test.com', '10 bj.test.com'])
    assert.deepEqual(exchangers({ region: '' }), ['10005 hk.test.com', '10 bj.test.com'])
    assert.deepEqual(exchangers({ region: 'hk' }), ['5 hk.test.com', '10010 bj.test.com'])
  })
})

test('services that are looked at: the policy and mail’s port', async () => {
  const policy = zones[0]?.mtaSts?.text ?? ''
  const probe = (policyOf: () => Promise<string>, greeting: () => Promise<string>) =>
    probeServices(zones, zones, world({}), { policy: policyOf, greeting })
  const fail = async (): Promise<string> => {
    throw new Error('connect ECONNREFUSED')
  }
  const fine = await probe(
    async () => policy,
    async () => '220 bj.test.com',
  )
  assert.deepEqual(
    fine.map(({ type, state }) => `${type} ${state}`),
    ['HTTPS right', 'HTTPS right', 'SMTP right', 'SMTP right'],
  )
  const stale = await probe(async () => `${policy}mx: x\r\n`, fail)
  assert.deepEqual(
    stale.map(({ type, state }) => `${type} ${state}`),
    ['HTTPS wrong', 'HTTPS wrong', 'SMTP advice', 'SMTP advice'],
  )
  assert.match((await probe(fail, fail))[0]?.text ?? '', /8\.8\.8\.1 does not serve the policy: connect ECONNREFUSED/)
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type DnsResolver, type MxRecord, SkeinError } from '@skein/runtime'
import { type MemoryZone, createMemoryDns } from '@skein/testkit'
import { findMailHosts, type MailHostSettings, parseRoute } from './mail-hosts.ts'

const settings: MailHostSettings = {
  routes: {},
  own: { hostNames: ['us.example'], addresses: ['192.0.2.1'], ports: [25] },
  addressesTriedMax: 5,
  mxRecordsMax: 50,
  sorted: (addresses) => [...addresses],
}

function dns(mx: MxRecord[] | Error, addresses: Record<string, string[] | Error>): DnsResolver {
  const zone: MemoryZone = {
    'MX there.example': mx instanceof Error ? mx : mx.map(({ preference, exchange }) => `${preference} ${exchange}`),
  }
  for (const [host, list] of Object.entries(addresses)) {
    if (list instanceof Error) zone[`A ${host.toLowerCase()}`] = zone[`AAAA ${host.toLowerCase()}`] = list
    else {
      zone[`A ${host.toLowerCase()}`] = list.filter((address) => !address.includes('::') || address.includes('ffff'))
      zone[`AAAA ${host.toLowerCase()}`] = list.filter((address) => address.includes('2001'))
    }
  }
  return createMemoryDns(zone)
}

const temporary = new SkeinError('dns-failed', 'temporary', 'no answer')

/** `next` gives these in turn. */
function chance(...values: number[]) {
  return { bytes: (length: number) => new Uint8Array(length), next: () => values.shift() ?? 0 }
}

async function find(resolver: DnsResolver, options: { random?: ReturnType<typeof chance>; domain?: string } = {}) {
  return findMailHosts(options.domain ?? 'there.example', { resolver, random: options.random ?? chance() }, settings)
}

describe('hosts of a domain', () => {
  test('lower preference first, equals in random order, every address of each', async () => {
    const records = [
      { exchange: 'c', preference: 20 },
      { exchange: 'a', preference: 10 },
      { exchange: 'b', preference: 10 },
    ]
    const addresses = { a: ['10.0.0.1', '2001:db8::1'], b: ['10.0.0.2'], c: ['10.0.0.3'] }
    const found = await find(dns(records, addresses), { random: chance(0.5, 0.9, 0.1) })
    assert.ok('hosts' in found)
    assert.deepEqual(
      found.hosts.map(({ address }) => address),
      ['10.0.0.2', '10.0.0.1', '2001:db8::1', '10.0.0.3'],
    )
  })

  test('without MX the domain itself', async () => {
    const found = await find(dns([], { 'there.example': ['10.0.0.9'] }))
    assert.deepEqual(found, {
      domain: 'there.example',
      isNameSure: false,
      way: 'mx',
      hosts: [{ name: 'there.example', port: 25, address: '10.0.0.9', authentic: false }],
    })
  })

  test('a domain of another script is asked for as A-labels', async () => {
    const resolver = createMemoryDns({ 'MX xn--fiqs8s.example': ['10 mx.example'], 'A mx.example': ['10.0.0.1'] })
    const found = await find(resolver, { domain: '中国.example' })
    assert.deepEqual('hosts' in found && [found.domain, found.hosts[0]?.name], ['xn--fiqs8s.example', 'mx.example'])
    const none = await find(resolver, { domain: 'a b' })
    assert.deepEqual('failed' in none && [none.failed.kind, none.failed.status], ['permanent', '5.1.2'])
  })

  test('an exchange that is an alias, or an address, is taken as it is meant', async () => {
    const zone = { 'MX there.example': ['10 alias.example', '20 192.0.2.9'], 'CNAME alias.example': ['mx.example'] }
    const found = await find(createMemoryDns({ ...zone, 'A mx.example': ['10.0.0.1'] }))
    assert.deepEqual(
      'hosts' in found && found.hosts.map(({ name, address, canonicalName }) => [name, address, canonicalName]),
      [
        ['alias.example', '10.0.0.1', 'mx.example'],
        ['192.0.2.9', '192.0.2.9', undefined],
      ],
    )
  })

  test('an address literal needs no DNS', async () => {
    const literal = dns(new Error('not asked'), { '10.1.2.3': ['10.1.2.3'], '2001:db8::5': ['2001:db8::5'] })
    assert.ok('hosts' in (await find(literal, { domain: '[10.1.2.3]' })))
    assert.ok('hosts' in (await find(literal, { domain: '[IPv6:2001:db8::5]' })))
  })

  for (const exchange of ['', '.']) {
    test(`null MX ${JSON.stringify(exchange)} is for good`, async () => {
      const found = await find(dns([{ exchange, preference: 0 }], {}))
      assert.ok('failed' in found)
      assert.deepEqual([found.failed.kind, found.failed.code, found.failed.status], ['permanent', 556, '5.1.10'])
    })
  }

  test('a domain that does not exist is for good, a silent DNS is not', async () => {
    const gone = await find(dns(new SkeinError('no-such-domain', 'permanent', 'gone'), {}))
    const silent = await find(dns(temporary, {}))
    assert.deepEqual('failed' in gone && [gone.failed.kind, gone.failed.status], ['permanent', '5.1.2'])
    assert.deepEqual('failed' in silent && [silent.failed.kind, silent.failed.status], ['temporary', '4.4.3'])
  })

  test('hosts without an address are for good, unless one could not be looked up', async () => {
    const records = [
      { exchange: 'a', preference: 1 },
      { exchange: 'b', preference: 2 },
    ]
    const none = await find(dns(records, {}))
    const unsure = await find(dns(records, { b: temporary }))
    assert.deepEqual('failed' in none && [none.failed.kind, none.failed.status], ['permanent', '5.4.4'])
    assert.deepEqual('failed' in unsure && [unsure.failed.kind, unsure.failed.status], ['temporary', '4.4.3'])
  })

  test('as a lower MX we send only to those above us', async () => {
    const records = [
      { exchange: 'a', preference: 10 },
      { exchange: 'us.example', preference: 20 },
      { exchange: 'c', preference: 20 },
      { exchange: 'd', preference: 30 },
    ]
    const addresses = { a: ['10.0.0.1'], 'us.example': ['10.0.0.9'], c: ['10.0.0.3'], d: ['10.0.0.4'] }
    const found = await find(dns(records, addresses))
    assert.deepEqual('hosts' in found && found.hosts.map(({ name }) => name), ['a'])
  })

  for (const [how, exchange, address] of [
    ['name', 'US.example', '10.0.0.1'],
    ['address', 'other.example', '192.0.2.1'],
    ['IPv4 address in IPv6', 'other.example', '::ffff:192.0.2.1'],
  ] as const) {
    test(`being the best MX by ${how} is a loop`, async () => {
      const found = await find(dns([{ exchange, preference: 1 }], { [exchange]: [address] }))
      assert.deepEqual('failed' in found && [found.failed.kind, found.failed.status], ['permanent', '5.4.6'])
    })
  }

  test('a route goes before MX, the rule for all domains after it', async () => {
    const resolver = dns(new Error('not asked'), { relay: ['10.0.0.7'], '::1': ['::1'] })
    const routes = { 'there.example': 'relay:2525', '*': '[::1]:26' }
    const ask = (domain: string) => findMailHosts(domain, { resolver, random: chance() }, { ...settings, routes })
    const host = { authentic: false }
    assert.deepEqual(await ask('there.example'), {
      domain: 'relay',
      isNameSure: true,
      way: 'route',
      hosts: [{ ...host, name: 'relay', port: 2525, address: '10.0.0.7' }],
    })
    assert.deepEqual(await ask('else.example'), {
      domain: '::1',
      isNameSure: true,
      way: 'route',
      hosts: [{ ...host, name: '::1', port: 26, address: '::1' }],
    })
  })

  test('routes that are no host and port are refused', () => {
    assert.deepEqual(parseRoute('relay'), { host: 'relay', port: 25 })
    for (const route of ['', ':25', 'a:b', 'a:0', 'a:70000', '::1:25'])
      assert.throws(() => parseRoute(route), RangeError)
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Directory } from '@skein/accounts'
import { type DnsResolver, SkeinError } from '@skein/runtime'
import { acmeLimits } from './limits.ts'
import { wantedNames } from './wanted-names.ts'

const directoryOf = (domains: string[], addresses: string[]) =>
  ({
    domains: () => domains.map((name) => ({ name })),
    nodes: () => [
      { hostName: 'bj.test.com', addresses },
      { hostName: 'mail.other.com', addresses: [] },
    ],
  }) as unknown as Directory

function resolverOf(answers: Record<string, string[] | 'gone' | 'silent'>): DnsResolver {
  const ask = (isWanted: (address: string) => boolean) => async (name: string) => {
    const found = answers[name] ?? 'gone'
    if (found === 'gone') throw new SkeinError('no-such-domain', 'permanent', 'no')
    if (found === 'silent') throw new SkeinError('dns-failed', 'temporary', 'no')
    return { records: found.filter(isWanted), authentic: false }
  }
  return {
    a: ask((address) => !address.includes(':')),
    aaaa: ask((address) => address.includes(':')),
  } as unknown as DnsResolver
}

test('shared names count that lead to nodes and nowhere else', async () => {
  const directory = directoryOf(['test.com', 'other.com'], ['/ip4/8.8.8.1/tcp/1', '/ip6/2400::1/tcp/1'])
  const resolver = resolverOf({
    'mail.test.com': ['8.8.8.1', '2400:0:0::1'],
    'autoconfig.test.com': ['8.8.8.1', '9.9.9.9'],
    'autodiscover.test.com': [],
    'mta-sts.test.com': 'silent',
    'mail.other.com': ['8.8.8.1'],
    'autodiscover.other.com': 'silent',
    'mta-sts.other.com': ['2400::1'],
  })
  const facts = { directory, resolver, hostName: 'bj.test.com' }
  const held = ['bj.test.com', 'mta-sts.test.com']
  assert.deepEqual(await wantedNames(facts, { method: 'http-01', held }), [
    'bj.test.com',
    'mail.test.com',
    'mta-sts.test.com',
    'mta-sts.other.com',
  ])
  // The zone proves them wherever they lead; another node's host name is its own.
  assert.deepEqual((await wantedNames(facts, { method: 'dns-01', held: [] })).length, 8)
  const nameless = { ...facts, directory: directoryOf(['test.com'], ['/dns/bj.test.com/tcp/1']) }
  assert.deepEqual(await wantedNames(nameless, { method: 'http-01', held: [] }), [
    'bj.test.com',
    'mail.test.com',
    'autoconfig.test.com',
  ])
})

test('one certificate takes no more names than authorities give', async () => {
  const domains = Array.from({ length: 60 }, (_, index) => `d${index}.com`)
  const facts = { directory: directoryOf(domains, []), resolver: resolverOf({}), hostName: 'bj.test.com' }
  assert.equal((await wantedNames(facts, { method: 'dns-01', held: [] })).length, acmeLimits.namesMax)
})

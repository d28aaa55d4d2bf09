import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { StsPolicyRecord } from '@skein/delivery'
import { SkeinError, silentLogger as logger } from '@skein/runtime'
import { VirtualClock, createMemoryDns, createMemoryStsPolicyStore } from '@skein/testkit'
import { outsideLimits } from '../limits.ts'
import { StsFetchFailure } from './sts-fetch.ts'
import { StsPolicies } from './sts-policies.ts'
import { type StsPolicy, parseStsPolicy } from './sts-policy.ts'

const txt = 'TXT _mta-sts.there.example'
const day = 24 * 3600_000

function createBench() {
  const clock = new VirtualClock()
  const dns = createMemoryDns({ 'A there.example': ['192.0.2.1'], [txt]: ['v=STSv1; id=1;'] })
  const kept = new Map<string, StsPolicyRecord>()
  const bench = {
    clock,
    dns,
    kept,
    served: 'version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 864000' as string | null,
    fetches: 0,
    policies: undefined as unknown as StsPolicies,
    restart() {
      const store = createMemoryStsPolicyStore(kept)
      bench.policies = new StsPolicies({ resolver: dns, store, clock, logger, fetch }, outsideLimits)
    },
    async mx() {
      return (await bench.policies.of('there.example')).policy?.mx ?? null
    },
  }
  async function fetch(): Promise<StsPolicy> {
    bench.fetches += 1
    if (bench.served === null) throw new StsFetchFailure('sts-policy-fetch-error', 'it answers 500')
    return parseStsPolicy(bench.served) as StsPolicy
  }
  bench.restart()
  return bench
}

describe('policies of MTA-STS', () => {
  test('none is announced: nothing is fetched', async () => {
    const bench = createBench()
    delete bench.dns.zone[txt]
    assert.deepEqual(await bench.policies.of('there.example'), { policy: null, failure: null })
    assert.equal(bench.fetches, 0)
  })

  test('fetched once, also by many at once, and kept over a restart', async () => {
    const bench = createBench()
    await Promise.all([bench.mx(), bench.mx(), bench.mx()])
    assert.deepEqual(await bench.mx(), ['a.example'])
    bench.restart()
    assert.deepEqual(await bench.mx(), ['a.example'])
    assert.equal(bench.fetches, 1)
  })

  test('another id brings another policy', async () => {
    const bench = createBench()
    await bench.mx()
    bench.dns.zone[txt] = ['v=STSv1; id=2;']
    bench.served = 'version: STSv1\nmode: enforce\nmx: b.example\nmax_age: 864000'
    assert.deepEqual(await bench.mx(), ['b.example'])
    assert.equal(bench.kept.get('there.example')?.id, '2')
  })

  for (const [what, trouble] of [
    ['a record that is gone', (bench: ReturnType<typeof createBench>) => void delete bench.dns.zone[txt]],
    [
      'a DNS that fails',
      (bench: ReturnType<typeof createBench>) => {
        bench.dns.zone[txt] = new SkeinError('dns-failed', 'temporary', 'no answer')
      },
    ],
    [
      'another id and a host that fails',
      (bench: ReturnType<typeof createBench>) => {
        bench.dns.zone[txt] = ['v=STSv1; id=2;']
        bench.served = null
      },
    ],
  ] as const) {
    test(`${what} does not take a policy away before it expires`, async () => {
      const bench = createBench()
      await bench.mx()
      trouble(bench)
      assert.deepEqual(await bench.mx(), ['a.example'])
      bench.restart()
      assert.deepEqual(await bench.mx(), ['a.example'])
      await bench.clock.advance(10 * day + 1)
      assert.equal(await bench.mx(), null)
    })
  }

  test('a policy that was never had is none, and is not asked for again soon', async () => {
    const bench = createBench()
    bench.served = null
    const { policy, failure } = await bench.policies.of('there.example')
    assert.deepEqual([policy, failure?.type], [null, 'sts-policy-fetch-error'])
    await bench.mx()
    assert.equal(bench.fetches, 1)
    await bench.clock.advance(5 * 60_000 + 1)
    await bench.mx()
    assert.equal(bench.fetches, 2)
  })

  test('fetched anew after a day although the id stays, so that it never expires', async () => {
    const bench = createBench()
    for (let at = 0; at < 30; at++) {
      assert.deepEqual(await bench.mx(), ['a.example'])
      await bench.clock.advance(day + 1)
    }
    assert.equal(bench.fetches, 30)
  })

  test('mode none takes a policy back', async () => {
    const bench = createBench()
    await bench.mx()
    bench.dns.zone[txt] = ['v=STSv1; id=2;']
    bench.served = 'version: STSv1\nmode: none\nmax_age: 86400'
    assert.equal(await bench.mx(), null)
    assert.equal(await bench.mx(), null)
    assert.equal(bench.fetches, 2)
  })

  test('a store that fails costs a fetch, not a letter', async () => {
    const bench = createBench()
    const broken = async () => Promise.reject(new Error('disk'))
    const store = { get: broken, put: broken, sweep: broken }
    let fetches = 0
    const fetch = async () => {
      fetches += 1
      return parseStsPolicy(bench.served as string) as StsPolicy
    }
    const policies = new StsPolicies({ resolver: bench.dns, store, clock: bench.clock, logger, fetch }, outsideLimits)
    assert.deepEqual((await policies.of('there.example')).policy?.mx, ['a.example'])
    assert.equal(fetches, 1)
  })
})

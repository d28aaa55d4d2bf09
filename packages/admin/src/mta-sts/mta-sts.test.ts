import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeRecord } from '@skein/accounts'
import { nodeRecord } from '../node-fixture.ts'
import { mtaStsRoutes } from './mta-sts-routes.ts'
import { mtaStsPolicy } from './policy.ts'

const node = (name: string, fields: Partial<NodeRecord> = {}) => nodeRecord(name, { services: { smtp: 25 }, ...fields })

test('RFC 8461 §3.2: the policy names every node that takes mail, in one order everywhere', () => {
  const nodes = [node('hk', { priority: 1 }), node('bj'), node('w', { witness: true }), node('off', { enabled: false })]
  const policy = mtaStsPolicy('enforce', nodes)
  assert.equal(
    policy.text,
    'version: STSv1\r\nmode: enforce\r\nmx: bj.test.com\r\nmx: hk.test.com\r\nmax_age: 1209600\r\n',
  )
  assert.match(policy.id, /^[a-z0-9]{1,32}$/)
  assert.deepEqual(mtaStsPolicy('enforce', nodes.toReversed()), policy)
  assert.equal(mtaStsPolicy('enforce', [...nodes, node('x', { enabled: false })]).id, policy.id)
  assert.notEqual(mtaStsPolicy('testing', nodes).id, policy.id)
  assert.notEqual(mtaStsPolicy('enforce', [...nodes, node('sg')]).id, policy.id)
})

test('the policy is served under the host name of its domain alone', async () => {
  const [route] = mtaStsRoutes({
    domain: (name) => (name === 'test.com' ? {} : name === 'xn--fiq228c.com' ? { mtaSts: 'none' } : undefined),
    nodes: () => [node('bj')],
  })
  const ask = async (url: string) => {
    const peer = { remoteAddress: '9.9.9.9', localAddress: '8.8.8.8', localPort: 443, isSecure: true }
    const response = await route?.app(new Request(url), peer)
    return { status: response?.status, type: response?.headers.get('content-type'), text: await response?.text() }
  }
  const path = '/.well-known/mta-sts.txt'
  const found = await ask(`https://mta-sts.test.com${path}`)
  assert.equal(found.status, 200)
  assert.equal(found.type, 'text/plain')
  assert.equal(found.text, mtaStsPolicy('testing', [node('bj')]).text)
  assert.match((await ask(`https://mta-sts.xn--fiq228c.com${path}`)).text ?? '', /^mode: none\r$/m)
  assert.equal((await ask(`https://MTA-STS.Test.com:10443${path}`)).status, 200)
  for (const host of ['test.com', 'mta-sts.other.com', 'mta-sts.mta-sts.test.com', '8.8.8.8', 'bj.test.com']) {
    assert.equal((await ask(`https://${host}${path}`)).status, 404, host)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reachable } from './mesh-presence.ts'

test('others are told addresses that lead here from where they are', () => {
  const lan = '/ip4/192.0.2.2/tcp/9835'
  const lan6 = '/ip6/2001:db8::2/tcp/9835'
  const here = '/ip4/127.0.0.1/tcp/9835'
  assert.deepEqual(reachable([here, lan, '/ip6/::1/tcp/9835', lan6]), [lan, lan6])
  assert.deepEqual(reachable([here]), [here])
  assert.deepEqual(reachable(['/ip4/127.0.0.135/tcp/19835']), ['/ip4/127.0.0.135/tcp/19835'])
})

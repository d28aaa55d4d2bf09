import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settledHostName } from './node-names.ts'

test('a host name stays when a domain comes that sorts before', () => {
  assert.equal(settledHostName('bj', ['aaa.com', 'test.com'], 'bj.test.com', []), 'bj.test.com')
})

test('a newcomer takes the domain of the others; without others the first one', () => {
  assert.equal(settledHostName('hk', ['aaa.com', 'test.com'], 'hk', ['bj.test.com']), 'hk.test.com')
  assert.equal(settledHostName('hk', ['aaa.com', 'test.com'], 'hk', ['mx.elsewhere.net']), 'hk.aaa.com')
  assert.equal(settledHostName('HK', [], '', []), 'hk')
})

test('a host name in a domain that is gone, or under another node name, is given up', () => {
  assert.equal(settledHostName('bj', ['test.com'], 'bj.old.com', []), 'bj.test.com')
  assert.equal(settledHostName('bj', ['test.com'], 'hub.test.com', []), 'bj.test.com')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeRecord } from '@skein/accounts'
import { nodeRecord } from '../node-fixture.ts'
import { nearestNodes } from './nearest-nodes.ts'

const node = (name: string, fields: Partial<NodeRecord> = {}) =>
  nodeRecord(name, { services: { imaps: 993 }, ...fields })

function names(self: string, nodes: NodeRecord[], max = 10, down: string[] = []): string {
  const facts = { self, nodes, isUp: (id: string) => !down.includes(id) }
  return nearestNodes(facts, max)
    .map(({ name }) => name)
    .join()
}

test('the asked node, its region, then priority and name', () => {
  const nodes = [
    node('a', { region: 'north', priority: 1 }),
    node('b', { region: 'south', priority: 200 }),
    node('c', { region: 'south', priority: 50 }),
    node('d', { region: 'north', priority: 2 }),
    node('e', { region: 'south', priority: 300 }),
    node('f', { region: 'north', priority: 2 }),
  ]
  assert.equal(names('e', nodes), 'e,c,b,a,d,f')
  assert.equal(names('d', nodes), 'd,a,f,c,b,e')
  assert.equal(names('e', nodes, 3), 'e,c,b')
  assert.equal(names('e', nodes, 10, ['c']), 'e,b,a,d,f,c')
})

test('no region is no neighbourhood', () => {
  assert.equal(names('z', [node('z'), node('a', { priority: 200 }), node('b', { region: 'x' })]), 'z,b,a')
})

test('a node that is disabled, a witness or silent about its ports is left out', () => {
  const nodes = [
    node('a', { enabled: false }),
    node('b', { witness: true }),
    node('c', { services: {} }),
    node('d', { services: { smtp: 25 } }),
    node('e'),
  ]
  assert.equal(names('a', nodes), 'e')
  assert.equal(names('a', nodes.slice(0, 4)), 'a')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Account, AccountStore, Directory, NodeRecord } from '@skein/accounts'
import { allAdministrators, createAdministrators } from './administrators.ts'

function account(id: string, createdMs: number, role: Account['role'] = 'admin'): Account {
  return {
    id,
    address: `${id}@test.com`,
    displayName: '',
    role,
    passwordHash: null,
    quotaBytes: 0,
    state: 'active',
    createdMs,
  }
}

test('this node’s own: admins that are active, oldest first, kept up, each change told', async () => {
  const stored = [account('b', 2), account('user', 0, 'user'), account('a', 1)]
  const accounts = {
    async *list() {
      yield* stored
    },
  } as unknown as AccountStore
  let told = 0
  const administrators = createAdministrators(accounts, () => told++)
  await administrators.read()
  assert.deepEqual(administrators.list(), ['a@test.com', 'b@test.com'])
  administrators.changed({ ...account('a', 1), state: 'suspended' })
  administrators.changed(account('c', 3))
  assert.deepEqual(administrators.list(), ['b@test.com', 'c@test.com'])
  administrators.removed('b')
  administrators.removed('nobody')
  assert.deepEqual(administrators.list(), ['c@test.com'])
  assert.equal(told, 4)
})

test('of all nodes: own ones first, and each node is believed about its own users only', () => {
  const homes: Record<string, string> = { 'a@test.com': 'n1', 'b@test.com': 'n2', 'c@test.com': 'n3' }
  const nodes = [
    { id: 'n1', administrators: ['stale@test.com'] },
    { id: 'n2', administrators: ['b@test.com', 'c@test.com', 'gone@test.com'] },
    { id: 'n3' },
  ] as unknown as NodeRecord[]
  const directory = {
    self: 'n1',
    nodes: () => nodes,
    lookup: (address: string) => (homes[address] ? { home: homes[address] } : undefined),
  } as unknown as Directory
  assert.deepEqual(allAdministrators(directory, ['a@test.com']), ['a@test.com', 'b@test.com'])
})

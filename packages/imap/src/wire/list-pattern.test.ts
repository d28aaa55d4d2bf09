import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matchesPattern } from './list-pattern.ts'

test('wild cards', () => {
  const cases: [string, string, boolean][] = [
    ['*', 'a/b/c', true],
    ['%', 'a', true],
    ['%', 'a/b', false],
    ['a/%', 'a/b', true],
    ['a/%', 'a/b/c', false],
    ['a/*', 'a', false],
    ['%/%', 'a/b', true],
    ['*c', 'a/b/c', true],
    ['a*c', 'abc', true],
    ['inbox', 'INBOX', true],
    ['inb%', 'INBOX', true],
    ['inbox/x', 'INBOX/x', true],
    ['sent', 'Sent', false],
    ['%台%', '台北', true],
    ['', 'a', false],
    ['*', '', true],
    ['**%%', 'a/b', true],
    ['a', 'ab', false],
  ]
  for (const [pattern, name, wanted] of cases) assert.equal(matchesPattern(pattern, name), wanted, `${pattern} ${name}`)
})

test('a hostile pattern takes no longer than its length times the name', () => {
  const startMs = performance.now()
  assert.equal(matchesPattern('*a'.repeat(500), 'a'.repeat(499)), false)
  assert.ok(performance.now() - startMs < 2000)
})

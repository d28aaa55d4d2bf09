import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createDataDirectory, dataDirectory } from './data-directory.ts'
import { initNode } from './init.ts'

test('a directory with mail but without its key is left as it is', async () => {
  const root = mkdtempSync(join(tmpdir(), 'skein-data-'))
  try {
    const paths = dataDirectory(root)
    mkdirSync(paths.messages)
    const segment = join(paths.messages, 'segment')
    writeFileSync(segment, 'mail')
    const choices = {
      domains: ['test.com'],
      name: 'n',
      region: '',
      bind: '',
      profile: 'dev',
      admin: undefined,
    } as const
    await assert.rejects(initNode(paths, { ...choices, domains: ['test.com'] }), { code: 'data-without-key' })
    assert.equal(readFileSync(segment, 'utf8'), 'mail')
    assert.equal(existsSync(paths.nodeKey), false)
  } finally {
    rmSync(root, { recursive: true })
  }
})

test('an empty directory is made into one, a node’s own is refused', () => {
  const root = mkdtempSync(join(tmpdir(), 'skein-data-'))
  try {
    const paths = dataDirectory(join(root, 'a', 'b'))
    createDataDirectory(paths)
    createDataDirectory(paths)
    writeFileSync(paths.nodeKey, 'key')
    assert.throws(() => createDataDirectory(paths), { code: 'already-initialised' })
  } finally {
    rmSync(root, { recursive: true })
  }
})

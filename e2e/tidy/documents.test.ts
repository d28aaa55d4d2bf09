// Docs can't drift: links lead somewhere, cited RFCs stand in the index, error codes stand in the list.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { capabilityProblems } from './capability-support.ts'
import { generatedDocuments } from './generated-documents.ts'
import { documents, repositoryRoot, sourceFiles } from './source-files.ts'

test('links between documents lead to a file', () => {
  const broken: string[] = []
  for (const { path, text } of documents()) {
    for (const match of text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)) {
      const target = match[1] as string
      if (/^[a-z]+:/.test(target)) continue
      if (!existsSync(join(repositoryRoot, dirname(path), target))) broken.push(`${path} -> ${target}`)
    }
  }
  assert.deepEqual(broken, [])
})

test('every RFC cited in the code stands in the RFC index', () => {
  const index = readFileSync(join(repositoryRoot, 'docs/protocols/rfc-index.tsv'), 'utf8')
  const known = new Set(index.split('\n').map((line) => line.split('\t')[0]))
  const missing = new Set<string>()
  for (const file of sourceFiles()) {
    for (const match of file.text.matchAll(/\bRFC (\d{3,4})\b/g)) {
      if (!known.has(match[1])) missing.add(`${match[1]} (${file.path})`)
    }
  }
  assert.deepEqual([...missing], [])
})

test('generated documents are up to date (npm run docs writes them)', () => {
  for (const { path, text } of generatedDocuments()) {
    const file = join(repositoryRoot, path)
    assert.ok(existsSync(file), `${path} is missing; run "npm run docs"`)
    assert.equal(readFileSync(file, 'utf8'), text, `${path} is out of date; run "npm run docs"`)
  }
})

test('every advertised capability has a row, its RFC and a test that shows it', () => {
  assert.deepEqual(capabilityProblems(), [])
})

test('source files open by saying what they are for', () => {
  const silent = sourceFiles()
    .filter((file) => !file.isTest && /\/src\/.+\.ts$/.test(file.path) && !file.path.endsWith('/index.ts'))
    .filter((file) => !/^(#!.*\n)?\/\//.test(file.text))
    .map((file) => file.path)
  assert.deepEqual(silent, [])
})

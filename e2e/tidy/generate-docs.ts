// Writes the generated reference pages: `npm run docs`. A tidy test fails when they are out of date.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { generatedDocuments } from './generated-documents.ts'
import { repositoryRoot } from './source-files.ts'

for (const { path, text } of generatedDocuments()) {
  mkdirSync(dirname(join(repositoryRoot, path)), { recursive: true })
  writeFileSync(join(repositoryRoot, path), text)
  process.stdout.write(`wrote ${path}\n`)
}

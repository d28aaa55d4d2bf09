// Finds the repository's own source files and what they import; the tidy tests and the generators of docs share it.
import { readFileSync, readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url))

export interface SourceFile {
  /** Relative to the root, with '/'. */
  path: string
  /** `packages/mail`, `apps/node`, `e2e`. */
  home: string
  text: string
  /** Module specifiers as written. */
  imports: string[]
  isTest: boolean
}

function* filesBelow(directory: string): Iterable<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.name === 'node_modules' || entry.name.startsWith('.')) continue
    const path = join(directory, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path)
    else yield path
  }
}

const importPattern =
  /^\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm

export function sourceFiles(): SourceFile[] {
  const found: SourceFile[] = []
  for (const top of ['packages', 'apps', 'e2e']) {
    for (const file of filesBelow(join(repositoryRoot, top))) {
      if (!/\.(ts|tsx|js)$/.test(file)) continue
      const path = relative(repositoryRoot, file).split(sep).join('/')
      const text = readFileSync(file, 'utf8')
      const parts = path.split('/')
      found.push({
        path,
        home: top === 'e2e' ? 'e2e' : `${parts[0]}/${parts[1]}`,
        text,
        imports: [...text.matchAll(importPattern)].map((match) => (match[1] ?? match[2]) as string),
        isTest: /\.test\.ts$|-fixture\.ts$|\/test\/|\/compliance\//.test(path) || top === 'e2e',
      })
    }
  }
  return found
}

export function* documents(): Iterable<{ path: string; text: string }> {
  const files = [
    ...filesBelow(join(repositoryRoot, 'docs')),
    ...filesBelow(join(repositoryRoot, 'packages')),
    ...filesBelow(join(repositoryRoot, 'apps')),
    ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md'].map((name) => join(repositoryRoot, name)),
  ]
  for (const file of files) {
    if (file.endsWith('.md')) {
      yield { path: relative(repositoryRoot, file).split(sep).join('/'), text: readFileSync(file, 'utf8') }
    }
  }
}

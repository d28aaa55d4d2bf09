// Imports tell the architecture: words <- domain <- edges <- apps. A stray edge fails here, by name.
import assert from 'node:assert/strict'
import { isBuiltin } from 'node:module'
import { test } from 'node:test'
import { sourceFiles } from './source-files.ts'

const words = ['runtime', 'mail']
const domain = [...words, 'accounts', 'mailboxes', 'delivery', 'replication', 'filtering', 'reports']
const everything = [...domain, 'smtp', 'imap', 'pop3', 'admin', 'storage', 'search', 'mesh', 'dns', 'message-auth']

/** Which packages of ours each home may import. Tests may import testkit too. */
const allowed: Record<string, string[]> = {
  'packages/runtime': [],
  'packages/mail': [],
  'packages/accounts': [...words],
  'packages/mailboxes': [...words, 'accounts'],
  'packages/delivery': [...words, 'accounts', 'mailboxes'],
  'packages/replication': [...words, 'accounts'],
  'packages/filtering': [...words, 'accounts', 'delivery', 'reports'],
  'packages/reports': [...words, 'accounts'],
  'packages/smtp': [...words, 'accounts', 'delivery', 'filtering', 'mailboxes', 'reports'],
  'packages/imap': [...words, 'accounts', 'mailboxes'],
  'packages/pop3': [...words, 'accounts', 'mailboxes'],
  'packages/admin': [...words, 'accounts', 'mailboxes'],
  'packages/storage': domain,
  'packages/search': [...words, 'accounts', 'mailboxes'],
  'packages/mesh': [...words, 'replication'],
  'packages/dns': ['runtime'],
  'packages/message-auth': [...words, 'filtering'],
  'packages/testkit': domain,
  'apps/node': everything,
  'apps/simulator': [...domain, 'testkit'],
  e2e: [...everything, 'node', 'testkit'],
}

/** One npm dependency has one home; e2e and tests may speak to a node with client libraries. */
const dependencyHomes: Record<string, string> = {
  cborg: 'packages/runtime',
  pino: 'packages/runtime',
  'iconv-lite': 'packages/mail',
  '@node-rs/argon2': 'packages/accounts',
  yjs: 'packages/replication',
  'smtp-server': 'packages/smtp',
  nodemailer: 'packages/smtp',
  level: 'packages/storage',
  libp2p: 'packages/mesh',
  '@libp2p/tcp': 'packages/mesh',
  '@libp2p/identify': 'packages/mesh',
  '@libp2p/ping': 'packages/mesh',
  '@libp2p/kad-dht': 'packages/mesh',
  '@libp2p/crypto': 'packages/mesh',
  '@libp2p/peer-id': 'packages/mesh',
  '@libp2p/utils': 'packages/mesh',
  '@libp2p/interface': 'packages/mesh',
  '@libp2p/yamux': 'packages/mesh',
  '@chainsafe/libp2p-noise': 'packages/mesh',
  '@multiformats/multiaddr': 'packages/mesh',
  yauzl: 'packages/search',
  saxes: 'packages/reports',
  'dns-packet': 'packages/dns',
  mailauth: 'packages/message-auth',
  hono: 'packages/admin',
  '@hono/node-server': 'packages/admin',
  commander: 'apps/node',
  zod: 'apps/node',
  'smol-toml': 'apps/node',
  '@peculiar/x509': 'apps/node',
  'reflect-metadata': 'apps/node',
}

/** What the domain never touches: sockets, disk, processes. node:crypto is pure and allowed. */
const domainBuiltins = new Set(['node:crypto', 'node:buffer', 'node:util', 'node:url', 'node:zlib', 'node:assert'])
const domainHomes = new Set(
  ['mail', 'accounts', 'mailboxes', 'delivery', 'replication', 'filtering', 'reports'].map(
    (name) => `packages/${name}`,
  ),
)

function packageOf(specifier: string): string {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? `${parts[0]}/${parts[1]}` : (parts[0] as string)
}

test('packages import only what the architecture allows', () => {
  const stray: string[] = []
  for (const file of sourceFiles()) {
    const may = allowed[file.home]
    assert.ok(may, `${file.home} has no row in the table of allowed imports`)
    for (const specifier of file.imports) {
      if (!specifier.startsWith('@skein/')) continue
      const name = (specifier.split('/')[1] as string).split('/')[0] as string
      const own = file.home.endsWith(`/${name}`)
      if (own || may.includes(name) || (file.isTest && name === 'testkit')) continue
      stray.push(`${file.path} imports ${specifier}`)
    }
  }
  assert.deepEqual(stray, [])
})

test('relative imports stay inside their package', () => {
  const stray: string[] = []
  for (const file of sourceFiles()) {
    const depth = file.path.split('/').length - 1 - file.home.split('/').length
    for (const specifier of file.imports) {
      const ups = (specifier.match(/\.\.\//g) ?? []).length
      if (specifier.startsWith('.') && ups > depth) stray.push(`${file.path} imports ${specifier}`)
    }
  }
  assert.deepEqual(stray, [])
})

test('one npm dependency has one home', () => {
  const stray: string[] = []
  for (const file of sourceFiles()) {
    if (file.isTest) continue
    for (const specifier of file.imports) {
      if (specifier.startsWith('.') || specifier.startsWith('@skein/') || isBuiltin(specifier)) continue
      const home = dependencyHomes[packageOf(specifier)]
      if (home !== file.home) stray.push(`${file.path} imports ${specifier}; its home is ${home ?? 'nowhere'}`)
    }
  }
  assert.deepEqual(stray, [])
})

test('the domain opens no socket and no file, and takes time and chance through the door', () => {
  const stray: string[] = []
  for (const file of sourceFiles()) {
    if (file.isTest || !domainHomes.has(file.home)) continue
    for (const specifier of file.imports) {
      if (isBuiltin(specifier) && !domainBuiltins.has(specifier)) stray.push(`${file.path} imports ${specifier}`)
    }
    const code = file.text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    for (const call of code.match(
      /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bset(?:Timeout|Interval)\(|\bperformance\.now\(/g,
    ) ?? []) {
      stray.push(`${file.path} calls ${call})`)
    }
  }
  assert.deepEqual(stray, [])
})

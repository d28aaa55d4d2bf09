// What an operator types, right and wrong, against a real node: clear sentences, exit codes 0, 1 and 2, nothing half done.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../bin/skein.js', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'skein-operator-'))
const data = join(root, 'data')
const anyPorts = ['smtp', 'submission', 'submissions', 'imap', 'imaps', 'pop3', 'pop3s', 'http', 'https']
let daemon: ChildProcess | undefined

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

function skein(args: readonly string[], input = '', directory = data): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args, '--data', directory], { stdio: 'pipe' })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
    child.stdin.end(input)
  })
}

async function refused(args: readonly string[], code: number, sentence: RegExp, input = ''): Promise<void> {
  const ended = await skein(args, input)
  assert.equal(ended.code, code, `${args.join(' ')}: ${ended.stdout}${ended.stderr}`)
  assert.match(ended.stderr, sentence)
  assert.doesNotMatch(ended.stderr, /\n {4}at |✖/, 'no stack, no list of a library’s making')
  assert.equal(ended.stdout, '')
}

async function json(args: readonly string[], input = ''): Promise<unknown> {
  const ended = await skein([...args, '--json'], input)
  assert.equal(ended.code, 0, ended.stderr)
  return JSON.parse(ended.stdout)
}

before(async () => {
  const founding = ['init', '--domain', 'test.com', '--domain', '例子.com', '--name', 'one', '--bind', '127.0.0.1']
  const made = await skein([...founding, '--admin', 'Boss@Test.com', '--password-stdin'], 'secret-boss')
  assert.equal(made.code, 0, made.stderr)
  const listen = anyPorts.map((service) => `${service} = 0`).join('\n')
  appendFileSync(join(data, 'skein.toml'), `log-level = "silent"\n[mesh]\nport = 0\n[listen]\n${listen}\n`)
  daemon = spawn(process.execPath, [program, 'run', '--data', data], { stdio: 'ignore' })
  const ready = await skein(['status', '--wait'])
  assert.equal(ready.code, 0, ready.stderr)
})

after(async () => {
  if (daemon && daemon.exitCode === null) {
    const ended = new Promise((resolve) => daemon?.once('exit', resolve))
    daemon.kill('SIGTERM')
    await ended
  }
  rmSync(root, { recursive: true, force: true })
})

test('the admin given at init is postmaster of every domain, for every node to see', async () => {
  assert.deepEqual(await json(['alias', 'list']), [
    { address: 'postmaster@test.com', targets: ['boss@test.com'] },
    { address: 'postmaster@xn--fsqu00a.com', targets: ['boss@test.com'] },
  ])
})

test('an address may be typed in any spelling', async () => {
  const added = (await json(['user', 'add', ' Li.Si@例子.COM', '--password-stdin'], 'secret-li')) as object
  assert.equal('address' in added && added.address, 'li.si@xn--fsqu00a.com')
  await json(['alias', 'add', 'All@Test.com', 'LI.SI@例子.com'])
  const aliases = (await json(['alias', 'list'])) as { address: string; targets: string[] }[]
  assert.deepEqual(aliases[0], { address: 'all@test.com', targets: ['li.si@xn--fsqu00a.com'] })
  await json(['alias', 'remove', 'ALL@test.com'])
  await json(['user', 'remove', 'LI.SI@例子.com'])
})

test('what is no address is refused, with one sentence', async () => {
  for (const text of ['u2', 'u 2@test.com', 'u2@@test.com', '@test.com', '.u@test.com', 'u..2@test.com']) {
    await refused(['user', 'add', text, '--password-stdin'], 1, /^skein: ".*" is not a mail address\n$/, 'secret-u2')
  }
  await refused(['alias', 'add', 'x@test.com', 'nobody'], 1, /^skein: "nobody" is not a mail address\n$/)
  const users = (await json(['user', 'list'])) as { address: string }[]
  assert.deepEqual(
    users.map(({ address }) => address),
    ['boss@test.com'],
  )
})

test('a word that an option does not know is wrong usage', async () => {
  await refused(['user', 'add', 'u@test.com', '--role', 'king'], 2, /give user, domain-admin or admin/)
  await refused(['user', 'set', 'boss@test.com', '--state', 'asleep'], 2, /give active or suspended/)
  await refused(['domain', 'set', 'test.com', '--policy', 'lax'], 2, /give auto, strict or local/)
  await refused(['invite', '--uses', '0'], 2, /give a whole number from 1/)
  await refused(['invite', '--ttl', '0s'], 2, /longer than nothing/)
})

test('a change of nothing is wrong usage, not a success', async () => {
  await refused(['user', 'set', 'boss@test.com'], 2, /nothing to change/)
  await refused(['domain', 'set', 'test.com'], 2, /nothing to change/)
  await refused(['node', 'set', 'one'], 2, /nothing to change/)
})

test('values out of range are refused in one sentence', async () => {
  const long = 'x'.repeat(300)
  await refused(['user', 'set', 'boss@test.com', '--display-name', long], 1, /^skein: displayName: [^\n]*\n$/)
})

test('an import of a file that is not there, and of lines that are wrong', async () => {
  await refused(['user', 'import', join(root, 'none')], 1, /^skein: ENOENT[^\n]*\n$/)
  const file = join(root, 'users')
  writeFileSync(file, 'i1@test.com\nboss@test.com\nbad\n')
  const ended = await skein(['user', 'import', file, '--json'])
  assert.equal(ended.code, 1)
  const { added, refused: lines } = JSON.parse(ended.stdout) as { added: number; refused: { line: number }[] }
  assert.equal(added, 1)
  assert.deepEqual(
    lines.map(({ line }) => line),
    [2, 3],
  )
})

test('a letter that nobody knows is said on stderr', async () => {
  await refused(['trace', '<nothing@test.com>'], 1, /^skein: no node knows the letter <nothing@test.com>\n$/)
})

test('the only node can not leave, and keeps its users', async () => {
  await refused(['node', 'remove', 'one'], 1, /only node/)
  const users = (await json(['user', 'list'])) as { state: string }[]
  assert.ok(users.every(({ state }) => state === 'confirmed'))
})

test('a new password, suspension and removal end the sessions that are open', async () => {
  await json(['user', 'add', 'open@test.com', '--password-stdin'], 'secret-1')
  const { listeners } = (await json(['status'])) as { listeners: { service: string; port: number }[] }
  const port = listeners.find(({ service }) => service === 'imap')?.port ?? 0
  const acts: [string[], string, string][] = [
    [['user', 'set', 'open@test.com', '--password-stdin'], 'secret-1', 'secret-2'],
    [['user', 'set', 'open@test.com', '--state', 'suspended'], 'secret-2', ''],
    [['user', 'remove', 'open@test.com'], 'secret-2', ''],
  ]
  for (const [act, password, input] of acts) {
    if (act.includes('remove')) await json(['user', 'set', 'open@test.com', '--state', 'active'])
    const socket = connect(port, '127.0.0.1')
    const ended = text(socket)
    socket.write(`a LOGIN open@test.com ${password}\r\nb SELECT INBOX\r\n`)
    await new Promise<void>((resolve) => {
      let heard = ''
      socket.on('data', (chunk: Buffer) => {
        heard += chunk.toString()
        if (/^(?:b |a NO)/m.test(heard)) resolve()
      })
    })
    await json(act, input)
    assert.match(await ended, /^b OK [^]*^\* BYE This account/m, act.join(' '))
  }
})

test('who joins under a name that is taken is told the one it has', async () => {
  const { token } = (await json(['invite'])) as { token: string }
  const joining = ['join', token, '--name', 'one', '--bind', '127.0.0.1', '--json']
  const joined = await skein(joining, '', join(root, 'second'))
  assert.equal(joined.code, 0, joined.stderr)
  const { name } = JSON.parse(joined.stdout) as { name: string }
  assert.match(name, /^one-/)
  const nodes = (await json(['node', 'list'])) as { name: string }[]
  assert.deepEqual(
    nodes.map((node) => node.name),
    ['one', name],
  )
})

test('a node that is home to users does not leave, and keeps them', async () => {
  await refused(['node', 'remove', 'one'], 1, /^skein: one is the home of 2 users: move or remove them first\n$/)
  const users = (await json(['user', 'list'])) as { state: string }[]
  assert.ok(users.length === 2 && users.every(({ state }) => state === 'confirmed'))
})

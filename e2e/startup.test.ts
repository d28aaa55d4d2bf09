// How a node starts, stops and refuses: the ready line, one instance for one directory, SIGTERM, exit codes, settings that are wrong.
import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { LineSocket } from './harness/line-socket.ts'
import { temporaryDirectory } from './harness/processes.ts'
import { initNode, ports, skein } from './harness/skein.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'

test('a node starts, refuses and stops as the contract says', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t)
  const node = await initNode({ name: 'solo', domains: ['test.com'] })
  stage.add(node)

  await stage.step('init keeps what is secret to its owner', async () => {
    for (const file of ['node.key', 'tls/key.pem']) {
      assert.equal(statSync(join(node.data, file)).mode & 0o777, 0o600, file)
    }
  })

  await stage.step('init does not overwrite a node', async () => {
    const again = await node.command(['init', '--domain', 'other.test', '--name', 'other', '--profile', 'dev'])
    assert.equal(again.code, 1)
    assert.match(again.stderr, /^skein: .+\n$/)
  })

  await stage.step('a command for a running node says when none runs', async () => {
    for (const args of [['status'], ['user', 'list'], ['queue', 'list']]) {
      const result = await node.command([...args, '--json'])
      assert.equal(result.code, 1)
      assert.equal(result.stdout, '')
      assert.match(result.stderr, /no node is running/)
    }
  })

  await stage.step('the ready line names every listener, and each of them answers', async () => {
    const ready = await node.start()
    assert.equal(ready.name, 'solo')
    assert.ok(ready.nodeId.length > 20)
    const listeners = new Map(ready.listeners.map(({ service, address, port }) => [service, `${address}:${port}`]))
    for (const [service, port] of Object.entries(ports)) {
      assert.equal(listeners.get(service), `${node.address}:${port}`, service)
      await using link = await LineSocket.connect({
        host: node.address,
        port,
        tls: service.endsWith('s'),
      })
      if (service !== 'mesh' && !service.startsWith('http')) assert.match(await link.line(), /^(220 |\* OK|\+OK)/)
    }
    assert.equal(node.process?.stdout.trim().split('\n').length, 1, 'one line on stdout')
  })

  await stage.step('a second instance on the same directory is refused, and the first goes on', async () => {
    const second = await node.command(['run', '--json'])
    assert.equal(second.code, 1)
    assert.equal(second.stdout, '')
    assert.match(second.stderr, /already running/)
    assert.equal((await node.json<{ state: string }>(['status'])).state, 'ready')
  })

  await stage.step('wrong usage is exit code 2, a refusal 1, done 0', async () => {
    assert.equal((await skein(['no-such-command'])).code, 2)
    assert.equal((await node.command(['user', 'add'])).code, 2)
    assert.equal((await node.command(['invite', '--ttl', 'soon'])).code, 2)
    assert.equal((await node.command(['user', 'remove', 'nobody@test.com'])).code, 1)
    const weak = await node.command(['user', 'add', 'weak@test.com', '--password-stdin'], { input: '\n' })
    assert.equal(weak.code, 1)
    const elsewhere = await node.command(['user', 'add', 'a@elsewhere.test', '--password-stdin'], {
      input: `${password}\n`,
    })
    assert.equal(elsewhere.code, 1)
    assert.equal((await node.command(['status', '--wait'])).code, 0)
    await node.addUser('aaa@test.com', password)
    const twice = await node.command(['user', 'add', 'AAA@test.com', '--password-stdin'], { input: `${password}\n` })
    assert.equal(twice.code, 1)
    assert.equal((await node.users()).length, 1)
  })

  await stage.step('SIGTERM ends an idle node and one with open sessions within 10 s, cleanly', async () => {
    const reader = await imapOf(node, 'aaa@test.com')
    await reader.select('INBOX')
    const sender = await submissionTo(node, 'aaa@test.com')
    await sender.expect('MAIL FROM:<aaa@test.com>', 250)
    const started = performance.now()
    const exit = await node.stop()
    const took = performance.now() - started
    reader.link.destroy()
    sender.link.destroy()
    assert.deepEqual(exit, { code: 0, signal: null })
    assert.ok(took < 10_000, `took ${took} ms`)
    assert.ok(!existsSync(join(node.data, 'control.sock')))
  })

  await stage.step('a letter acknowledged just before SIGTERM is there after the next start', async () => {
    await node.start()
    const { text } = letter('aaa@test.com', 'aaa@test.com', 'last words')
    const sender = await submissionTo(node, 'aaa@test.com')
    assert.equal((await sender.send('aaa@test.com', ['aaa@test.com'], text)).code, 250)
    await node.stop()
    sender.link.destroy()
    await node.start()
    const reader = await imapOf(node, 'aaa@test.com')
    assert.equal(await reader.select('INBOX'), 1)
    await reader.logout()
    await node.stop()
  })

  await stage.step('an unknown key in skein.toml is refused with the nearest known one', async () => {
    node.setSettings({ imap: { 'connection-max': 10 } })
    const result = await node.command(['run'])
    assert.equal(result.code, 1)
    assert.match(result.stderr, /imap\.connection-max/)
    assert.match(result.stderr, /did you mean "imap\.connections-max"/)
  })

  await stage.step('a directory without a node says how to begin', async () => {
    const result = await skein(['run', '--data', join(temporaryDirectory('empty'), 'data')])
    assert.equal(result.code, 1)
    assert.match(result.stderr, /skein init/)
  })
})

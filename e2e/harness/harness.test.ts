// The harness itself: what the other tests lean on without looking.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loopbackAddress } from './addresses.ts'
import { LineSocket } from './line-socket.ts'
import { eventually } from './poll.ts'
import { Pop3Client } from './pop3-client.ts'
import { mustRun, runCommand } from './processes.ts'
import { withSetting } from './skein.ts'
import { dotStuffed } from './smtp-client.ts'

test('dot-stuffing doubles each leading dot and ends the message once', () => {
  const cases: [string, string][] = [
    ['', '.\r\n'],
    ['a', 'a\r\n.\r\n'],
    ['a\r\n', 'a\r\n.\r\n'],
    ['.\r\n', '..\r\n.\r\n'],
    ['.', '..\r\n.\r\n'],
    ['a\r\n.b\r\n..\r\n', 'a\r\n..b\r\n...\r\n.\r\n'],
    ['\r\n.\r\n.\r\n', '\r\n..\r\n..\r\n.\r\n'],
    ['a.\r\nb\n.c', 'a.\r\nb\n.c\r\n.\r\n'],
  ]
  for (const [message, wire] of cases) assert.equal(dotStuffed(message).toString(), wire, JSON.stringify(message))
})

test('a setting is put into its section, and replaces an older one', () => {
  const text = 'profile = "dev"\n\n[smtp]\ntrusted = []\n\n[imap]\n'
  assert.equal(
    withSetting(text, 'smtp', 'trusted', '["127.0.0.1"]'),
    'profile = "dev"\n\n[smtp]\ntrusted = ["127.0.0.1"]\n\n[imap]\n',
  )
  assert.match(withSetting(text, 'pop3', 'connections-max', '3'), /\n\n\[pop3\]\nconnections-max = 3\n$/)
  assert.match(withSetting(text, 'imap', 'connections-max', '3'), /\[imap\]\nconnections-max = 3\n/)
  assert.match(withSetting(text, '', 'log-level', '"warn"'), /^log-level = "warn"\nprofile = "dev"\n/)
})

test('addresses are loopback and never given twice', async () => {
  const addresses = await Promise.all(Array.from({ length: 20 }, () => loopbackAddress()))
  assert.equal(new Set(addresses).size, 20)
  for (const address of addresses) assert.match(address, /^127\.2\d\.\d+\.\d+$/)
})

test('a line reader gives lines, exact bytes and the end, whatever the chunks', async () => {
  const server = createServer((socket) => {
    const bytes = Buffer.from('first\r\nsecond\n{5}\r\nab\r\ncrest')
    let at = 0
    const next = () => {
      if (at < bytes.length) socket.write(bytes.subarray(at, ++at), next)
      else socket.end()
    }
    next()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await using link = await LineSocket.connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  assert.equal(await link.line(), 'first')
  assert.equal(await link.line(), 'second')
  assert.equal(await link.line(), '{5}')
  assert.equal((await link.bytes(5)).toString(), 'ab\r\nc')
  assert.equal((await link.until('s')).toString(), 'res')
  assert.equal((await link.toTheEnd()).toString(), 't')
  await assert.rejects(link.line(), /closed/)
  server.close()
})

test('a multi-line answer of POP3 comes back as the message was', async () => {
  const cases = ['', 'a\r\n', '.\r\n', '..\r\n.\r\n', '\r\n', '\r\n.\r\n\r\n', 'a\r\n.b\r\n.\r\nc\r\n', 'bare\n.\n\r\n']
  const server = createServer((socket) => {
    socket.write('+OK ready\r\n')
    for (const message of cases) socket.write(`+OK\r\n${dotStuffed(message).toString()}`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await using client = await Pop3Client.connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  for (const message of cases) assert.equal((await client.multiLine('RETR 1')).toString(), message)
  server.close()
})

test('processes and directories of a test end with it, even when it is killed', async () => {
  const processes = fileURLToPath(new URL('./processes.ts', import.meta.url))
  const script = (last: string) => `
    const { TrackedProcess, temporaryDirectory } = await import(${JSON.stringify(processes)})
    const child = new TrackedProcess('sleep', ['300'])
    console.log(JSON.stringify({ pid: child.pid, directory: temporaryDirectory('end') }))
    ${last}`
  const endings = {
    'an exit': 'process.exit(3)',
    'an error': 'throw new Error()',
    SIGTERM: `process.kill(process.pid, 'SIGTERM')`,
  }
  for (const [how, last] of Object.entries(endings)) {
    const { stdout } = await runCommand(process.execPath, ['--input-type=module', '-e', script(last)])
    const { pid, directory } = JSON.parse(stdout) as { pid: number; directory: string }
    await eventually(() => !isRunning(pid), { what: `end of the child after ${how}` })
    assert.ok(!existsSync(directory), how)
  }
})

/** A process that has ended but that nobody has waited for yet is not running. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test('a program that fails says what it said', async () => {
  await assert.rejects(
    mustRun('sh', ['-c', 'echo out; echo why >&2; exit 3']),
    /exit code 3\nstdout: out\n\nstderr: why/,
  )
  await assert.rejects(mustRun('no-such-program-anywhere', []), /no-such-program-anywhere/)
})

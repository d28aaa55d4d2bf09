import { isLoopback } from '@skein/runtime'
import assert from 'node:assert/strict'
import { type Socket, connect } from 'node:net'
import { describe, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { readFileSync } from 'node:fs'
import { password, startServer, testTls } from '../test/server-fixture.ts'

/** A client that collects everything, and waits for what it is told to with a deadline. */
class Client {
  readonly socket: Socket
  #bytes = Buffer.alloc(0)
  isClosed = false
  #wake = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
      this.#wake()
    })
  }

  static async open(port: number): Promise<Client> {
    const socket = connect(port, '127.0.0.1')
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new Client(socket)
  }

  say(...lines: string[]): void {
    this.socket.write(lines.map((line) => `${line}\r\n`).join(''))
  }

  /** Takes everything up to and with `end`. */
  async until(end: string): Promise<string> {
    return this.#wait(() => {
      const at = this.#bytes.indexOf(end, 0, 'latin1')
      if (at < 0) return null
      const text = this.#bytes.toString('latin1', 0, at + end.length)
      this.#bytes = this.#bytes.subarray(at + end.length)
      return text
    })
  }

  line(): Promise<string> {
    return this.until('\r\n')
  }

  async closed(): Promise<void> {
    await this.#wait(() => this.isClosed || null)
  }

  async logIn(): Promise<void> {
    this.say('USER aaa@test.example', `PASS ${password}`)
    await this.until('octets)\r\n')
  }

  async #wait<Result>(look: () => Result | null): Promise<Result> {
    const deadline = performance.now() + 10_000
    for (;;) {
      const result = look()
      if (result !== null) return result
      if (performance.now() > deadline || this.isClosed)
        throw new Error(`not there: ${this.#bytes.length} bytes unread`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        setTimeout(resolve, 100).unref()
      })
    }
  }
}

async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe('bytes', () => {
  const corpus: Record<string, Buffer> = {
    'empty body': Buffer.from('A: b\r\n\r\n'),
    'bare LF and CR': Buffer.from('A: b\n\nx\n.\ny\r.\rz\r\n'),
    'every byte': Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, i) => i)), Buffer.from('\r\n')]),
    'only dots': Buffer.from('.\r\n.\r\n..\r\n...\r\n'),
    'a line of a megabyte': Buffer.concat([Buffer.alloc(1 << 20, 120), Buffer.from('\r\n')]),
    'dots around chunk borders': Buffer.from('x'.repeat(262_141) + '\r\n.\r\n' + 'y'.repeat(262_140) + '\r\n.z\r\n'),
    big: Buffer.concat([Buffer.alloc(5 << 20, '0123456789\r\n.'), Buffer.from('\r\n')]),
  }
  for (const [name, bytes] of Object.entries(corpus)) {
    test(`${name} comes back identical`, async () => {
      await using there = await startServer([bytes.toString('latin1')])
      const client = await Client.open(there.port)
      await client.logIn()
      client.say('RETR 1')
      assert.equal(await client.line(), `+OK ${bytes.length} octets\r\n`)
      let message = ''
      for (let line = await client.until('\r\n'); line !== '.\r\n'; line = await client.until('\r\n')) {
        if (message.length === 0 && name === 'big') {
          // Line by line would take long: the whole at once here.
          const rest = line + (await client.until('\r\n.\r\n'))
          message = rest.slice(0, -3).replaceAll(/(^|\r\n)\./g, '$1')
          break
        }
        message += line.startsWith('.') ? line.slice(1) : line
      }
      assert.ok(Buffer.from(message, 'latin1').equals(bytes))
      client.say('QUIT')
      await client.closed()
    })
  }

  test('a damaged message is an error, a small one before +OK, and the session goes on', async () => {
    await using there = await startServer(['A: b\r\n\r\nx\r\n', 'C: d\r\n\r\ny\r\n'])
    const inbox = there.account.byName('INBOX')?.id ?? ''
    const [first] = await there.account.messages(inbox)
    assert.ok(first)
    there.log.damage(first.blob)
    const client = await Client.open(there.port)
    await client.logIn()
    client.say('RETR 1', 'RETR 2', 'QUIT')
    assert.match(await client.line(), /^-ERR \[SYS\/PERM\]/)
    assert.match(await client.until('bye, 2 messages left\r\n'), /C: d/)
  })
})

describe('deleting', () => {
  test('a connection that breaks deletes nothing, and neither does a time-out', async () => {
    await using there = await startServer(['1\r\n', '2\r\n'], { idleTimeoutMs: 400 })
    const broken = await Client.open(there.port)
    await broken.logIn()
    broken.say('DELE 1')
    await broken.until('QUIT\r\n')
    broken.socket.destroy()
    await eventually(() => there.server.connections() === 0, 'the connection is gone')
    const idle = await Client.open(there.port)
    await idle.logIn()
    idle.say('DELE 2')
    assert.match(await idle.until('in time\r\n'), /-ERR no command came in time\r\n$/)
    await idle.closed()
    assert.deepEqual(await there.inbox(), ['1\r\n', '2\r\n'])
  })

  test('QUIT answers after the messages are gone', async () => {
    await using there = await startServer(['1\r\n', '2\r\n', '3\r\n'])
    const client = await Client.open(there.port)
    await client.logIn()
    client.say('DELE 1', 'DELE 3', 'QUIT')
    await client.until('1 messages left\r\n')
    assert.deepEqual(await there.inbox(), ['2\r\n'])
  })

  test('what another front door removed meanwhile does no harm', async () => {
    await using there = await startServer(['1\r\n', '2\r\n'])
    const client = await Client.open(there.port)
    await client.logIn()
    const inbox = there.account.byName('INBOX')?.id ?? ''
    await there.account.expunge(inbox, [1])
    client.say('STAT', 'DELE 1', 'DELE 2', 'QUIT')
    assert.match(await client.until('0 messages left\r\n'), /^(?:\+OK .*\r\n)*\+OK 2 6\r\n/)
    assert.deepEqual(await there.inbox(), [])
  })

  test('copies of one message in INBOX have ids of their own', async () => {
    await using there = await startServer(['1\r\n'])
    const inbox = there.account.byName('INBOX')?.id ?? ''
    await there.account.copy(inbox, [1], inbox)
    const client = await Client.open(there.port)
    await client.logIn()
    client.say('UIDL')
    const ids = [...(await client.until('\r\n.\r\n')).matchAll(/^\d+ (\S+)\r$/gm)].map((match) => match[1])
    assert.equal(ids.length, 2)
    assert.equal(new Set(ids).size, 2)
    for (const id of ids) assert.match(id ?? '', /^[!-~]{1,70}$/)
  })
})

describe('limits', () => {
  test('connections over the limit are told so, and a place that is freed can be had', async () => {
    await using there = await startServer([], { connectionsMax: 2 })
    const first = await Client.open(there.port)
    await Client.open(there.port)
    await eventually(() => there.server.connections() === 2, 'both are counted')
    const third = await Client.open(there.port)
    assert.match(await third.line(), /^-ERR \[SYS\/TEMP\] too many connections/)
    await third.closed()
    first.say('QUIT')
    await first.closed()
    await eventually(() => there.server.connections() === 1, 'the place is free')
    assert.match(await (await Client.open(there.port)).line(), /^\+OK/)
  })

  test('one address has its own limit, where it is not trusted', async () => {
    await using there = await startServer([], { connectionsPerAddressMax: 1, trustedAddresses: [] })
    await (await Client.open(there.port)).line()
    assert.match(await (await Client.open(there.port)).line(), /^-ERR/)
  })

  test('a client that does not read holds up nobody but itself, and is cut', async () => {
    const big = `${'x'.repeat(76)}\r\n`.repeat(400_000)
    await using there = await startServer([big, 'small\r\n'], { writeTimeoutMs: 100 })
    const deaf = await Client.open(there.port)
    await deaf.logIn()
    deaf.socket.pause()
    deaf.say('RETR 1')
    const other = await Client.open(there.port)
    other.say('CAPA')
    await other.until('IMPLEMENTATION Skein\r\n.\r\n')
    await eventually(() => there.server.connections() === 1, 'the deaf one is cut')
    await other.logIn()
    other.say('STAT')
    assert.match(await other.until('\r\n'), /^\+OK 2 /)
  })

  test('a client that writes and never reads is held up', async () => {
    await using there = await startServer(['1\r\n'], { pipelinedBytesMax: 1_000, writeTimeoutMs: 100 })
    const flood = await Client.open(there.port)
    flood.socket.pause()
    await eventually(() => !flood.socket.write('CAPA\r\n'.repeat(5_000)), 'the server stops reading')
    await eventually(() => there.server.connections() === 0, 'the flood is cut')
  })
})

describe('life', () => {
  test('an account that may not go on is shown out, and what it marked stays', async () => {
    await using there = await startServer(['1\r\n'])
    const client = await Client.open(there.port)
    await client.logIn()
    client.say('DELE 1')
    await client.until('QUIT\r\n')
    there.server.dismiss('bbb@test.example')
    client.say('NOOP')
    await client.until('+OK')
    await client.line()
    there.server.dismiss('aaa@test.example')
    await client.until('-ERR [SYS/PERM] this account was changed by an administrator\r\n')
    await client.closed()
    assert.equal((await there.inbox()).length, 1)
  })

  test('a half-closed client still gets its answers', async () => {
    await using there = await startServer(['1\r\n'])
    const client = await Client.open(there.port)
    client.socket.end(`USER aaa@test.example\r\nPASS ${password}\r\nRETR 1\r\n`)
    await client.until('1\r\n.\r\n')
    await client.closed()
  })

  test('TLS from the first byte, and a certificate that is replaced', async () => {
    const pem = (name: string) => readFileSync(new URL(`../test/${name}`, import.meta.url), 'utf8')
    let material = testTls.current()
    let changed = () => {}
    const tls = {
      current: () => material,
      onChange(listener: () => void) {
        changed = listener
        return () => {}
      },
    }
    await using there = await startServer([], {}, { mode: 'implicit', tls })
    const nameNow = async () => {
      const socket = connectTls({ port: there.port, host: '127.0.0.1', rejectUnauthorized: false })
      const client = new Client(socket)
      assert.match(await client.line(), /^\+OK/)
      const name = socket.getPeerCertificate().subject.CN
      client.say('QUIT')
      await client.closed()
      return name
    }
    assert.equal(await nameNow(), 'mx.test')
    material = { key: 'broken', cert: 'broken' }
    changed()
    assert.equal(await nameNow(), 'mx.test')
    material = { key: pem('tls-key-2.pem'), cert: pem('tls-cert-2.pem') }
    changed()
    assert.equal(await nameNow(), 'new.test')
  })

  test('a client that never shakes hands is cut', async () => {
    await using there = await startServer([], { tlsHandshakeTimeoutMs: 50, idleTimeoutMs: 100 }, { mode: 'implicit' })
    const client = await Client.open(there.port)
    await client.closed()
    await eventually(() => there.server.connections() === 0, 'the connection is gone')
  })

  test('a session that went over to TLS is counted out, and so is a handshake that stands still', async () => {
    await using there = await startServer([], { tlsHandshakeTimeoutMs: 500, idleTimeoutMs: 5_000 })
    const client = await Client.open(there.port)
    await client.line()
    client.say('STLS')
    assert.match(await client.line(), /^\+OK/)
    client.socket.removeAllListeners()
    const secure = new Client(connectTls({ socket: client.socket, rejectUnauthorized: false }))
    secure.say('QUIT')
    assert.match(await secure.line(), /^\+OK bye/)
    await secure.closed()
    await eventually(() => there.server.connections() === 0, 'nobody is left')
    const silent = await Client.open(there.port)
    await silent.line()
    silent.say('STLS')
    await silent.line()
    silent.socket.write(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1]))
    await silent.closed()
    await eventually(() => there.server.connections() === 0, 'nobody is left')
  })

  test('closing sends idle clients away', async () => {
    const there = await startServer()
    const client = await Client.open(there.port)
    await client.line()
    const closed = there.server.close({ drainMs: 5_000 })
    assert.match(await client.line(), /^-ERR \[SYS\/TEMP\] the server is shutting down/)
    await closed
    await there[Symbol.asyncDispose]()
  })

  test('clear-text passwords are taken from this machine only', () => {
    assert.deepEqual(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'].map(isLoopback), [true, true, true, true])
    assert.deepEqual(['10.0.0.1', '::2', '::ffff:10.0.0.1', '1127.0.0.1'].map(isLoopback), [false, false, false, false])
  })
})

import assert from 'node:assert/strict'
import { duplexPair } from 'node:stream'
import type { Duplex } from 'node:stream'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from './clock.ts'
import { splice } from './splice.ts'

const lostText = '* BYE lost\r\n'

function join(options: { betweenLines?: boolean; first?: Buffer[] } = {}) {
  const [client, clientSocket] = duplexPair({ highWaterMark: 1024 })
  const [stream, home] = duplexPair({ highWaterMark: 1024 })
  const watch = { betweenLines: options.betweenLines ?? true, push() {} }
  const joined = splice(clientSocket, stream, {
    clock: systemClock,
    watch,
    first: options.first ?? [],
    lostText,
    lingerMs: 100,
  })
  return { client, clientSocket, home, stream, joined }
}

async function readAll(stream: Duplex): Promise<string> {
  const parts: Buffer[] = []
  try {
    for await (const part of stream) parts.push(part as Buffer)
  } catch {
    parts.push(Buffer.from('<cut>'))
  }
  return Buffer.concat(parts).toString()
}

describe('a splice', () => {
  test('carries what came first, then both ways, until the home ends', async () => {
    const { client, home, joined } = join({ first: [Buffer.from('a2 NOOP\r\n'), Buffer.from('a3 ')] })
    client.write('LOGOUT\r\n')
    const got = readAll(client)
    await delay(5)
    assert.equal((home.read() as Buffer).toString(), 'a2 NOOP\r\na3 LOGOUT\r\n')
    home.end('* BYE\r\na3 OK\r\n')
    assert.equal(await got, '* BYE\r\na3 OK\r\n')
    client.end()
    await joined.done
  })

  test('a client that does not read stops the home, and the other way round', async () => {
    for (const isDown of [true, false]) {
      const { client, home } = join()
      const from = isDown ? home : client
      for (let i = 0; i < 100; i++) {
        from.write(Buffer.alloc(1024))
        await delay(1)
      }
      assert.ok(from.writableLength > 80 * 1024, `${from.writableLength} of 102,400 bytes wait`)
    }
  })

  test('a lost home is told between lines, and nowhere else', async () => {
    for (const betweenLines of [true, false]) {
      const { client, home, stream, joined } = join({ betweenLines })
      const got = readAll(client)
      home.write('* 1 FETCH')
      await delay(5)
      stream.destroy(new Error('lost'))
      const text = await got
      assert.equal(text.includes(lostText), betweenLines)
      client.destroy()
      await joined.done
    }
  })

  test('leaving waits for what the home is doing', async () => {
    const { client, home, joined } = join()
    const got = readAll(client)
    home.once('end', () => {
      setTimeout(() => home.end('a1 OK done\r\n'), 20)
    })
    home.resume()
    joined.leave('* BYE stopping\r\n')
    assert.equal(await got, 'a1 OK done\r\n* BYE stopping\r\n')
    client.end()
    await joined.done
  })

  test('a client that leaves lets its commands be done, and a home that hangs is cut off', async () => {
    const { client, home, joined } = join()
    client.end('a1 STORE\r\n')
    assert.equal(await readAll(home), 'a1 STORE\r\n')
    home.end('a1 OK\r\n')
    assert.equal(await readAll(client), 'a1 OK\r\n')
    await joined.done
    const other = join()
    other.client.write('a1 STORE\r\n')
    other.clientSocket.destroy()
    // The clock's timers keep no process alive.
    await Promise.all([other.joined.done, delay(200)])
    assert.equal(other.stream.destroyed, true)
  })
})

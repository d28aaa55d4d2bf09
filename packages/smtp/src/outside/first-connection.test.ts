import assert from 'node:assert/strict'
import { type AddressInfo, type Server, createServer } from 'node:net'
import { describe, test } from 'node:test'
import { systemClock as clock } from '@skein/runtime'
import { outsideLimits } from '../limits.ts'
import { firstConnection } from './first-connection.ts'

async function listen(address: string, port = 0): Promise<Server & AsyncDisposable> {
  const server = createServer((socket) => socket.on('error', () => {}))
  await new Promise<void>((resolve) => server.listen(port, address, resolve))
  return server
}

const portOf = (server: Server) => (server.address() as AddressInfo).port
const hostsAt = (port: number, ...addresses: string[]) =>
  addresses.map((address) => ({ name: 'mx', address, port, authentic: false }))
// TEST-NET: packets go nowhere, or the network says so at once; both must do.
const nowhere = '192.0.2.1'

describe('the first connection', () => {
  const limits = { ...outsideLimits, connectStaggerMs: 50, connectTimeoutMs: 400 }
  const terms = { clock, limits, localAddress: undefined }

  test('the first address that answers', async () => {
    await using server = await listen('127.0.0.1')
    const { socket, host, behind } = await firstConnection(
      hostsAt(portOf(server), '127.0.0.1', '127.0.0.2'),
      terms,
      new AbortController().signal,
    )
    socket.destroy()
    assert.deepEqual([host.address, behind], ['127.0.0.1', []])
  })

  test('one that refuses is left at once, one that is silent after a little while', async () => {
    await using server = await listen('127.0.0.2')
    for (const first of ['127.0.0.1', nowhere]) {
      const startMs = clock.monotonicMs()
      const { socket, host, behind } = await firstConnection(
        hostsAt(portOf(server), first, '127.0.0.2'),
        terms,
        new AbortController().signal,
      )
      socket.destroy()
      assert.deepEqual([host.address, behind.map(({ address }) => address)], ['127.0.0.2', [first]])
      assert.ok(clock.monotonicMs() - startMs < 350)
    }
  })

  test('when none answers each is named, in a bounded time', async () => {
    const server = await listen('127.0.0.1')
    const port = portOf(server)
    await server[Symbol.asyncDispose]()
    const attempt = firstConnection(hostsAt(port, '127.0.0.1', nowhere), terms, new AbortController().signal)
    await assert.rejects(attempt, /127\.0\.0\.1: .*ECONNREFUSED.*; 192\.0\.2\.1: /)
  })

  test('the signal ends it', async () => {
    const stop = new AbortController()
    const attempt = firstConnection(hostsAt(25, nowhere), { ...terms, limits: outsideLimits }, stop.signal)
    stop.abort()
    await assert.rejects(attempt)
    await assert.rejects(firstConnection(hostsAt(25, nowhere), terms, stop.signal), /broken off/)
  })
})

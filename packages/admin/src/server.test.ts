import assert from 'node:assert/strict'
import { request } from 'node:http'
import { type Socket, connect } from 'node:net'
import { after, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { silentLogger, systemClock as clock } from '@skein/runtime'
import { healthRoutes } from './health.ts'
import { type HttpRoute, textResponse } from './http-app.ts'
import type { HttpLimits } from './limits.ts'
import { readText } from './read-text.ts'
import { type HttpServer, createHttpServer } from './server.ts'

const tls = { current: () => ({ key: '', cert: '' }), onChange: () => () => {} }
const routes: HttpRoute[] = [
  {
    path: '/echo',
    methods: ['POST'],
    app: async (asked) => textResponse(200, String((await readText(asked, 1000))?.length)),
  },
  { path: '/broken', methods: ['GET'], app: () => Promise.reject(new Error('secret detail')) },
  { path: '/below/*', methods: ['GET'], app: () => textResponse(200, 'below') },
  { path: '/Any/Case', ignoreCase: true, methods: ['GET'], app: () => textResponse(200, 'any') },
  { path: '/slow', methods: ['GET'], app: async () => (await delay(200), textResponse(200, 'slow')) },
  ...healthRoutes({ isReady: () => true, metrics: () => [] }, { metricsToken: 'goose' }),
]

async function start(limits: Partial<HttpLimits> = {}, trusted: string[] = []) {
  const server = createHttpServer(
    { tls, clock, logger: silentLogger },
    { routes, trustedAddresses: trusted, ...limits },
  )
  const { port } = await server.listen({ host: '127.0.0.1', port: 0, mode: 'plain' })
  return { server, port, [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }) }
}

function ask(port: number, path: string, method = 'GET', headers: Record<string, string> = {}, body = '') {
  return new Promise<{ status: number; text: string; headers: Record<string, unknown> }>((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text, headers: answer.headers }))
    })
    asking.on('error', reject)
    asking.end(body)
  })
}

/** All that the server says to these bytes, until it closes; undefined if it has not by then. */
async function raw(port: number, bytes: string, withinMs = 15_000): Promise<string | undefined> {
  const socket: Socket = connect(port, '127.0.0.1', () => socket.write(bytes))
  let said = ''
  socket.on('data', (chunk) => (said += chunk.toString('latin1')))
  socket.on('error', () => {})
  const closed = new Promise<boolean>((resolve) => socket.once('close', () => resolve(true)))
  const isClosed = await Promise.race([closed, delay(withinMs, false)])
  socket.destroy()
  return isClosed ? said : undefined
}

describe('the HTTP front door', () => {
  let shared: Awaited<ReturnType<typeof start>> | undefined
  const ready = start().then((made) => (shared = made))
  after(async () => shared?.server.close({ drainMs: 0 }))

  test('routes by path and method, and guards every answer', async () => {
    const { port } = await ready
    assert.equal((await ask(port, '/healthz')).text, 'ok\n')
    assert.equal((await ask(port, '/healthz', 'HEAD')).status, 200)
    assert.equal((await ask(port, '/below/')).text, 'below\n')
    assert.equal((await ask(port, '/below/a/b?x')).text, 'below\n')
    assert.equal((await ask(port, '/below')).status, 404)
    assert.equal((await ask(port, '/ANY/case')).text, 'any\n')
    assert.equal((await ask(port, '/Healthz')).status, 404)
    const wrong = await ask(port, '/echo')
    assert.equal(wrong.status, 405)
    assert.equal(wrong.headers['allow'], 'POST')
    assert.equal((await ask(port, '/healthz', 'DELETE')).headers['allow'], 'GET, HEAD')
    const options = await ask(port, '/healthz', 'OPTIONS')
    assert.equal(options.status, 204)
    for (const path of ['/healthz', '/nothing', '/broken']) {
      const { headers } = await ask(port, path)
      assert.equal(headers['x-content-type-options'], 'nosniff', path)
      assert.match(String(headers['content-security-policy']), /default-src 'none'/, path)
    }
  })

  test('a fault shows nothing of the inside', async () => {
    const { port } = await ready
    const broken = await ask(port, '/broken')
    assert.equal(broken.status, 500)
    assert.doesNotMatch(broken.text, /secret/)
  })

  test('a body is read up to its bound, however it is sent', async () => {
    const { port } = await ready
    assert.equal((await ask(port, '/echo', 'POST', {}, 'x'.repeat(1000))).text, '1000\n')
    assert.equal((await ask(port, '/echo', 'POST', {}, 'x'.repeat(1001))).text, 'undefined\n')
    const chunked = { 'transfer-encoding': 'chunked' }
    assert.equal((await ask(port, '/echo', 'POST', chunked, 'x'.repeat(1001))).text, 'undefined\n')
  })

  test('metrics are for this machine, or for whoever has the token', async () => {
    const { port } = await ready
    assert.equal((await ask(port, '/metrics')).status, 200)
    const passedOn = { 'x-forwarded-for': '192.0.2.1' }
    assert.equal((await ask(port, '/metrics', 'GET', passedOn)).status, 401)
    assert.equal((await ask(port, '/metrics', 'GET', { ...passedOn, authorization: 'Bearer wrong' })).status, 401)
    assert.equal((await ask(port, '/metrics', 'GET', { ...passedOn, authorization: 'bearer goose' })).status, 200)
  })

  test('what is no HTTP is told so, and costs only its own connection', async () => {
    const { port } = await ready
    for (const bytes of [
      'nonsense\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
      'GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n',
      'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    ]) {
      assert.match((await raw(port, bytes)) ?? 'open', /^HTTP\/1\.1 4\d\d /, bytes.slice(0, 60))
    }
    assert.equal((await ask(port, '/healthz')).status, 200)
  })

  test('a request that comes drop by drop is ended', async () => {
    await using slow = await start({ headerTimeoutMs: 200, requestTimeoutMs: 400 })
    const started = performance.now()
    assert.match((await raw(slow.port, 'GET / HTTP/1.1\r\nHost: a\r\n')) ?? 'open', /^HTTP\/1\.1 408 /)
    const body = 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx'
    assert.match((await raw(slow.port, body)) ?? 'open', /^(?:HTTP\/1\.1 4\d\d |$)/)
    assert.ok(performance.now() - started < 10_000)
  })

  test('an idle connection is ended', async () => {
    await using idle = await start({ keepAliveTimeoutMs: 100 })
    assert.match((await raw(idle.port, 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')) ?? 'open', /ok\n$/)
  })

  test('one connection too many is closed, and counted out again', async () => {
    await using few = await start({ connectionsPerAddressMax: 1 })
    const first = connect(few.port, '127.0.0.1')
    await new Promise((resolve) => first.once('connect', resolve))
    while (few.server.connections() < 1) await delay(5)
    assert.equal(await raw(few.port, 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'), '')
    first.destroy()
    while (few.server.connections() > 0) await delay(5)
    assert.equal((await ask(few.port, '/healthz')).status, 200)
  })

  test('closing lets a running request end, and cuts what lasts longer', async () => {
    const calm: { server: HttpServer; port: number } = await start()
    const running = ask(calm.port, '/slow')
    while (calm.server.connections() < 1) await delay(5)
    await delay(20)
    await calm.server.close({ drainMs: 5_000 })
    assert.equal((await running).text, 'slow\n')
    const hasty = await start()
    const cut = ask(hasty.port, '/slow').catch(() => 'cut')
    while (hasty.server.connections() < 1) await delay(5)
    await delay(20)
    await hasty.server.close({ drainMs: 1 })
    assert.equal(await cut, 'cut')
  })
})

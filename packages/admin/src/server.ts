// The HTTP front door: any number of listening ports, in clear and under TLS, that share one set of routes and limits.
// A slow, silent or greedy client costs only its own connection.
import { type Server, createServer } from 'node:http'
import { type Server as TlsServer, createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import {
  type Clock,
  ConnectionCounter,
  type Logger,
  type TlsMaterial,
  createAddressSet,
  plainAddress,
} from '@skein/runtime'
import { createFront } from './front.ts'
import type { HttpRoute } from './http-app.ts'
import { type HttpLimits, httpLimits } from './limits.ts'

export interface HttpComponents {
  tls: TlsMaterial
  clock: Clock
  logger: Logger
}

export interface HttpSettings extends Partial<HttpLimits> {
  routes: readonly HttpRoute[]
  /** Addresses and CIDR blocks without a limit per address. Default: loopback. */
  trustedAddresses?: readonly string[]
}

export type HttpMode = 'plain' | 'tls'

export interface HttpServer {
  listen(options: { host: string; port: number; mode: HttpMode }): Promise<{ port: number }>
  /** Connections that stand now, on all ports. */
  connections(): number
  /** Answers given so far, by class: `2xx`, `4xx`, … */
  answers(): ReadonlyMap<string, number>
  /** Takes no new ones, ends idle ones, gives running requests `drainMs`, then cuts. */
  close(options: { drainMs: number }): Promise<void>
}

export function createHttpServer({ tls, clock, logger }: HttpComponents, settings: HttpSettings): HttpServer {
  const limits = { ...httpLimits, ...limitsOf(settings) }
  const { hono, counts } = createFront(settings.routes, logger)
  const isTrusted = createAddressSet(settings.trustedAddresses ?? ['127.0.0.0/8', '::1'])
  const counter = new ConnectionCounter(limits.connectionsMax, limits.connectionsPerAddressMax, isTrusted)
  const servers = new Set<Server | TlsServer>()
  const sockets = new Set<Socket>()
  let isClosed = false

  const handle = getRequestListener((request, env) => hono.fetch(request, env), { overrideGlobalObjects: false })
  const stopTlsWatch = tls.onChange(() => {
    for (const server of servers) if ('setSecureContext' in server) server.setSecureContext(contextOf(tls.current()))
  })

  function accept(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress ?? '')
    if (isClosed || counter.enter(address) !== 'ok') {
      socket.destroy()
      return
    }
    sockets.add(socket)
    socket.once('close', () => {
      sockets.delete(socket)
      counter.leave(address)
    })
  }

  function make(mode: HttpMode): Server | TlsServer {
    const options = {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headerTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.max(50, Math.min(1_000, limits.headerTimeoutMs / 4)),
      noDelay: true,
    }
    const server =
      mode === 'plain'
        ? createServer(options)
        : createTlsServer({ ...options, ...contextOf(tls.current()), handshakeTimeout: limits.tlsHandshakeTimeoutMs })
    server.maxHeadersCount = limits.headerFieldsMax
    server.maxRequestsPerSocket = limits.requestsPerConnectionMax
    server.setTimeout(limits.writeTimeoutMs)
    // A TLS server tells of the bare connection before the handshake: that is what counts.
    server.on('connection', accept)
    server.on('request', (incoming, outgoing) => {
      if (isClosed) outgoing.setHeader('connection', 'close')
      void handle(incoming, outgoing)
    })
    server.on('tlsClientError', (_error, socket) => socket.destroy())
    return server
  }

  function listen({ host, port, mode }: { host: string; port: number; mode: HttpMode }): Promise<{ port: number }> {
    if (isClosed) return Promise.reject(new Error('the HTTP server is closed'))
    const server = make(mode)
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port, backlog: 1024 }, () => {
        server.off('error', reject)
        server.on('error', (error) => logger.error({ error, mode }, 'HTTP listener failed'))
        servers.add(server)
        resolve({ port: (server.address() as AddressInfo).port })
      })
    })
  }

  async function close({ drainMs }: { drainMs: number }): Promise<void> {
    if (isClosed) return
    isClosed = true
    stopTlsWatch()
    const closed = [...servers].map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
    for (const server of servers) server.closeIdleConnections()
    const timer = clock.setTimer(drainMs, () => {
      for (const socket of sockets) socket.destroy()
    })
    await Promise.all(closed)
    timer.cancel()
  }

  return { listen, connections: () => counter.count, answers: () => counts.byClass, close }
}

function contextOf({ key, cert }: { key: string; cert: string }) {
  if (key === '' || cert === '') throw new Error('HTTPS needs a TLS key and certificate')
  return { key, cert, minVersion: 'TLSv1.2' as const }
}

function limitsOf(settings: HttpSettings): Partial<HttpLimits> {
  const names = Object.keys(httpLimits) as (keyof HttpLimits)[]
  return Object.fromEntries(names.filter((name) => settings[name] !== undefined).map((name) => [name, settings[name]]))
}

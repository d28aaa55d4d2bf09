// One listening port: smtp-server's SMTPServer, with connection limits at the door and our sessions behind it.
import { plainAddress } from '@skein/runtime'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { SMTPServer } from 'smtp-server'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { takeProxyHeader } from './proxied-connection.ts'
import type { SmtpHouse, SmtpRole } from './house.ts'
import { replies } from './replies.ts'
import { SmtpSession } from './session.ts'

type SocketOptions = NonNullable<Parameters<Parameters<SMTPServer['_handleProxy']>[1]>[1]>

const refusalLingerMs = 1_000

export class SmtpListener extends SMTPServer {
  readonly house: SmtpHouse
  readonly role: SmtpRole
  /** The client address of each socket that is counted. */
  readonly #counted = new Map<Socket, string>()

  constructor(house: SmtpHouse, role: SmtpRole) {
    const { key, cert, clientAuthorities } = house.tls.current()
    // The library would fall back to a key pair that the whole world has.
    if (key === '' || cert === '') throw new Error('SMTP needs a TLS key and certificate')
    const offersAuth = role === 'submission' || role === 'submissions'
    super({
      key,
      cert,
      minVersion: 'TLSv1.2',
      // What is wrong with a certificate is told to whoever tries to log in with it.
      ...(offersAuth && clientAuthorities !== undefined
        ? { ca: clientAuthorities, requestCert: true, rejectUnauthorized: false }
        : {}),
      secure: role === 'submissions',
      lmtp: role === 'lmtp',
      name: house.hostName,
      logger: false,
      size: house.limits.messageBytesMax,
      authOptional: !offersAuth,
      authRequiredMessage: '5.7.0 log in first',
      // Whether AUTH is possible in clear text is decided for each session.
      allowInsecureAuth: true,
      disabledCommands: ['WIZ', 'SHELL', 'KILL', ...(role === 'submissions' ? ['STARTTLS'] : [])],
      hideENHANCEDSTATUSCODES: false,
      disableReverseLookup: true,
      socketTimeout: house.limits.tlsHandshakeTimeoutMs,
      // A client may end its side right after QUIT or a pipelined message; it still gets its replies.
      allowHalfOpen: true,
      noDelay: true,
      onConnect: (_session, callback) => callback(),
      onSecure: (_socket, _session, callback) => callback(),
    })
    this.house = house
    this.role = role
  }

  /** Is this a port for people's mail programs. */
  get offersAuth(): boolean {
    return this.role === 'submission' || this.role === 'submissions'
  }

  pausesFor(remoteAddress: string): boolean {
    return this.role === 'mx' && this.house.limits.greetingPauseMs > 0 && !this.house.isTrusted(remoteAddress)
  }

  sessions(): Iterable<SmtpSession> {
    return this.connections as Set<SmtpSession>
  }

  override connect(socket: Socket | TLSSocket, options?: SMTPConnectionOptions | null): void {
    const session = new SmtpSession(this, socket, options)
    this.connections.add(session)
    session.on('error', (error: Error) => this._onError(error))
    session.init()
  }

  override _expectsProxyHeader(socket: Socket): boolean {
    return this.house.sendsProxyHeader(socket.remoteAddress ?? '')
  }

  /** Who is behind a proxy is counted like anybody who comes himself; the proxy is not. */
  override _handleProxy(socket: Socket, callback: (error: Error | null, options?: SocketOptions) => void): void {
    const id = this.house.random.bytes(10).reduce((text, byte) => text + byte.toString(32).padStart(2, '0'), '')
    if (!this._expectsProxyHeader(socket)) return void setImmediate(() => callback(null, { id }))
    const { clock, limits, logger } = this.house
    takeProxyHeader(socket, { clock, limits }, (client) => {
      if (client === 'refused' || !this.#enter(socket, client?.address ?? socket.remoteAddress ?? '', false)) {
        if (client === 'refused') logger.info({ proxy: socket.remoteAddress, role: this.role }, 'no PROXY header came')
        socket.destroy()
        return callback(new Error('refused'))
      }
      if (client === null) return callback(null, { id })
      const { address, port, destinationAddress, destinationPort } = client
      const here = { localAddress: destinationAddress, localPort: destinationPort }
      callback(null, { id, remoteAddress: address, remotePort: port, ...here })
    })
  }

  /** A connection that breaks is the client's affair; errors of the port itself go to whoever listens. */
  override _onError(error: Error): void {
    const syscall = 'syscall' in error ? error.syscall : ''
    if (syscall === 'listen') this.emit('error', error)
    else if (syscall === 'accept') this.house.logger.warn({ error, role: this.role }, 'SMTP can not accept connections')
    else this.house.logger.debug({ error: error.message, role: this.role }, 'SMTP connection failed')
  }

  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    if (this._expectsProxyHeader(socket)) return super._acceptSocket(socket, handshake)
    return this.#enter(socket, socket.remoteAddress ?? '', !handshake) && super._acceptSocket(socket, handshake)
  }

  /** Within the limits? @param mayTell nothing can be said before a TLS handshake. */
  #enter(socket: Socket, remoteAddress: string, mayTell: boolean): boolean {
    const address = plainAddress(remoteAddress)
    const verdict = this.house.counter.enter(address)
    if (verdict === 'ok') {
      this.#counted.set(socket, address)
      this.countOutWhenClosed(socket)
      return true
    }
    socket.on('error', () => {})
    if (!mayTell) {
      socket.destroy()
      return false
    }
    const { code, status, text } = verdict === 'too-many' ? replies.tooManyConnections : replies.tooManyFromAddress
    socket.resume()
    socket.end(`${code} ${status} ${text}\r\n`)
    socket.setTimeout(refusalLingerMs, () => socket.destroy())
    return false
  }

  /** The library takes all listeners off a socket that goes over to TLS: the session calls this again then. */
  countOutWhenClosed(socket: Socket): void {
    socket.once('close', () => {
      const address = this.#counted.get(socket)
      if (address === undefined) return
      this.#counted.delete(socket)
      this.house.counter.leave(address)
    })
  }
}

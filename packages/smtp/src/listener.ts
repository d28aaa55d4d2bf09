// One listening port: smtp-server's SMTPServer, with connection limits at the door and our sessions behind it.
import { plainAddress } from '@skein/runtime'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { SMTPServer, type SMTPServerAuthentication, type SMTPServerSession } from 'smtp-server'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import type { SmtpHouse, SmtpRole } from './house.ts'
import { type Reply, replies, throttledReply } from './replies.ts'
import { SmtpSession, type SignedIn } from './session.ts'

/** A reply, as the library's AUTH dialogue takes it. */
class AuthReply extends Error {
  readonly responseCode: number

  constructor(reply: Reply) {
    super(`${reply.status} ${reply.text}`)
    this.responseCode = reply.code
  }
}

const refusalLingerMs = 1_000

export class SmtpListener extends SMTPServer {
  readonly house: SmtpHouse
  readonly role: SmtpRole
  /** The client address of each socket that is counted. */
  readonly #counted = new Map<Socket, string>()
  readonly #bySession = new WeakMap<SMTPServerSession, SmtpSession>()

  constructor(house: SmtpHouse, role: SmtpRole) {
    const { key, cert } = house.tls.current()
    // The library would fall back to a key pair that the whole world has.
    if (key === '' || cert === '') throw new Error('SMTP needs a TLS key and certificate')
    const offersAuth = role === 'submission' || role === 'submissions'
    super({
      key,
      cert,
      minVersion: 'TLSv1.2',
      secure: role === 'submissions',
      lmtp: role === 'lmtp',
      name: house.hostName,
      logger: false,
      size: house.limits.messageBytesMax,
      authMethods: ['PLAIN', 'LOGIN'],
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
      onAuth: (auth, session, callback) => {
        this.#authenticate(auth, session).then(
          (user) => callback(null, { user }),
          (error: Error) => callback(error),
        )
      },
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
    this.#bySession.set(session.session, session)
    session.on('error', (error: Error) => this._onError(error))
    session.init()
  }

  /** A connection that breaks is the client's affair; errors of the port itself go to whoever listens. */
  override _onError(error: Error): void {
    const syscall = 'syscall' in error ? error.syscall : ''
    if (syscall === 'listen') this.emit('error', error)
    else if (syscall === 'accept') this.house.logger.warn({ error, role: this.role }, 'SMTP can not accept connections')
    else this.house.logger.debug({ error: error.message, role: this.role }, 'SMTP connection failed')
  }

  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    const address = plainAddress(socket.remoteAddress ?? '')
    const verdict = this.house.counter.enter(address)
    if (verdict === 'ok') {
      this.#counted.set(socket, address)
      this.countOutWhenClosed(socket)
      return super._acceptSocket(socket, handshake)
    }
    socket.on('error', () => {})
    if (handshake) {
      // Nothing can be said before the TLS handshake.
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

  async #authenticate(auth: SMTPServerAuthentication, session: SMTPServerSession): Promise<SignedIn> {
    const name = auth.username ?? ''
    const password = auth.password ?? ''
    const connection = this.#bySession.get(session)
    // RFC 4616 §2: acting for somebody else is not offered.
    const actsForAnother = auth.method === 'PLAIN' && !!auth.authzid && !!auth.authcid && auth.authzid !== auth.authcid
    let outcome
    try {
      const remoteAddress = session.remoteAddress
      outcome = await this.house.authenticator.login({ name, password, remoteAddress, protocol: 'submission' })
    } catch (error) {
      this.house.logger.error({ error, role: this.role }, 'log-in failed unexpectedly')
      throw new AuthReply(replies.authUnavailable)
    }
    switch (outcome.kind) {
      case 'ok':
      case 'elsewhere': {
        if (actsForAnother) break
        const { id, address } = outcome.account
        return { account: { id, address }, username: address }
      }
      case 'unavailable':
        throw new AuthReply(replies.authUnavailable)
      case 'throttled':
        throw new AuthReply(
          connection?.authFailed() ? replies.tooManyAuthFailures : throttledReply(outcome.retryAfterMs),
        )
      case 'refused':
        break
    }
    throw new AuthReply(connection?.authFailed() ? replies.tooManyAuthFailures : replies.authRefused)
  }
}

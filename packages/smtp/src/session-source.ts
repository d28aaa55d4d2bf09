// Who is behind a session, for the record of its letters: what the connection shows, what a trusted proxy says of its own client
// (XCLIENT, for the session), and what a content filter says of a letter's first hop (XFORWARD, for the next letter only).
import type { IntakeSource } from '@skein/delivery'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { SmtpRole } from './house.ts'
import type { ProxiedClient } from './wire/proxied-attributes.ts'

export interface ConnectionFacts {
  remoteAddress: string
  /** Confirmed by the DNS, or ''. */
  remoteName: string
  /** As said in EHLO or HELO, or ''. */
  helo: string
  openedByHelo: boolean
  isSecure: boolean
  socket: Socket | TLSSocket
  account: IntakeSource['account']
}

export class SessionSource {
  readonly #role: SmtpRole
  readonly #facts: () => ConnectionFacts
  #proxied: ProxiedClient = {}
  #forwarded: ProxiedClient = {}
  #own: IntakeSource | null = null

  constructor(role: SmtpRole, facts: () => ConnectionFacts) {
    this.#role = role
    this.#facts = facts
  }

  /** A fact of the connection has changed. */
  changed(): void {
    this.#own = null
  }

  proxied(client: ProxiedClient): void {
    this.#proxied = { ...this.#proxied, ...client }
    this.#own = null
  }

  forwarded(client: ProxiedClient): void {
    this.#forwarded = { ...this.#forwarded, ...client }
  }

  letterIsOver(): void {
    this.#forwarded = {}
  }

  current(): IntakeSource {
    const own = this.#ownSource()
    const { address, name, helo } = this.#forwarded
    if (address === undefined && name === undefined && helo === undefined) return own
    return { ...own, remoteAddress: address ?? own.remoteAddress, remoteName: name ?? '', helo: helo ?? own.helo }
  }

  /** RFC 6531 §4.3 names the protocol of a letter that used SMTPUTF8. */
  ofLetter(smtpUtf8: boolean): IntakeSource {
    const source = this.current()
    return smtpUtf8 ? { ...source, protocol: this.#protocol(this.#facts(), 'UTF8') } : source
  }

  #ownSource(): IntakeSource {
    if (this.#own) return this.#own
    const facts = this.#facts()
    this.#own = {
      kind: this.#role === 'submission' || this.#role === 'submissions' ? 'submission' : 'smtp',
      remoteAddress: facts.remoteAddress,
      remoteName: this.#proxied.name ?? facts.remoteName,
      helo: facts.helo || this.#proxied.helo || '',
      tls: tlsText(facts),
      protocol: this.#protocol(facts, ''),
      account: facts.account,
    }
    return this.#own
  }

  /** RFC 3848 and RFC 6531 §4.3. */
  #protocol({ isSecure, account, openedByHelo }: ConnectionFacts, utf8: '' | 'UTF8'): string {
    const suffix = (isSecure ? 'S' : '') + (account ? 'A' : '')
    if (this.#role === 'lmtp') return `${utf8}LMTP${suffix}`
    if (openedByHelo) return 'SMTP'
    return `${utf8 === '' ? 'ESMTP' : 'UTF8SMTP'}${suffix}`
  }
}

function tlsText({ isSecure, socket }: ConnectionFacts): string | null {
  if (!isSecure || !('getCipher' in socket)) return null
  return `${socket.getProtocol() ?? 'TLS'} ${socket.getCipher()?.standardName ?? ''}`.trim()
}

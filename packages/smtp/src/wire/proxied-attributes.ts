// The attributes of XCLIENT and XFORWARD (www.postfix.org/XCLIENT_README.html, XFORWARD_README.html): what a proxy that is trusted
// says of its own client. Promises: never throws; a value that is no such thing makes the whole command bad.
import { decodeXtext, isXtext } from '@skein/mail'
import { isIP } from 'node:net'

export interface ProxiedClient {
  name?: string
  address?: string
  port?: number
  helo?: string
  protocol?: string
  destinationAddress?: string
  destinationPort?: number
}

const unavailable = new Set(['[UNAVAILABLE]', '[TEMPUNAVAIL]'])
const hostName = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$/

type Attribute = (value: string, into: ProxiedClient) => boolean

const attributes: Readonly<Record<string, Attribute>> = {
  NAME(value, into) {
    into.name = value
    return hostName.test(value) && value.length <= 255
  },
  ADDR: (value, into) => isAddress(value, (address) => (into.address = address)),
  PORT: (value, into) => isPort(value, (port) => (into.port = port)),
  PROTO(value, into) {
    into.protocol = value.toUpperCase()
    return /^(?:E?SMTP|LMTP)$/i.test(value)
  },
  HELO(value, into) {
    into.helo = value
    return /^[!-~]{1,255}$/.test(value)
  },
  DESTADDR: (value, into) => isAddress(value, (address) => (into.destinationAddress = address)),
  DESTPORT: (value, into) => isPort(value, (port) => (into.destinationPort = port)),
  IDENT: (value) => /^[!-~]{1,255}$/.test(value),
  SOURCE: (value) => /^(?:LOCAL|REMOTE)$/i.test(value),
}

function isAddress(value: string, set: (address: string) => void): boolean {
  const isV6 = /^IPV6:/i.test(value)
  const address = isV6 ? value.slice(5) : value
  set(address)
  return isIP(address) === (isV6 ? 6 : 4)
}

function isPort(value: string, set: (port: number) => void): boolean {
  set(Number(value))
  return /^\d{1,5}$/.test(value) && Number(value) <= 65_535
}

/** @param line the whole command. @param known the attributes that were offered. */
export function parseProxiedAttributes(line: string, known: readonly string[]): ProxiedClient | null {
  const [, ...words] = line.trim().split(/ +/)
  const into: ProxiedClient = {}
  for (const word of words) {
    const equals = word.indexOf('=')
    const name = word.slice(0, Math.max(equals, 0)).toUpperCase()
    const coded = word.slice(equals + 1)
    const attribute = known.includes(name) ? attributes[name] : undefined
    if (!attribute || !isXtext(coded)) return null
    const value = decodeXtext(coded)
    if (!unavailable.has(value.toUpperCase()) && !attribute(value, into)) return null
  }
  return words.length > 0 ? into : null
}

export const xclientAttributes = ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'DESTADDR', 'DESTPORT'] as const
export const xforwardAttributes = ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'IDENT', 'SOURCE'] as const

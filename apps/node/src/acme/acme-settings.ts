// The section [acme] of skein.toml, checked as a whole before the node starts.
import { readFileSync } from 'node:fs'
import { type TsigKey, parseServer } from '@skein/dns'
import { SkeinError } from '@skein/runtime'
import type { Config } from '../config.ts'
import type { KeyType } from './signing-request.ts'

export interface AcmeSettings {
  directoryUrl: string
  /** PEM; undefined: the authorities that Node believes. */
  authorities: string | undefined
  email: string
  external: { keyId: string; hmacKey: Uint8Array } | undefined
  method: 'http-01' | 'dns-01'
  /** Empty: worked out from the mesh. */
  names: readonly string[]
  keyType: KeyType
  changesKey: boolean
  renewBeforeMs: number
  updates: { server: { address: string; port: number }; key: TsigKey; waitMs: number } | undefined
}

const wrong = (text: string) => new SkeinError('acme-settings', 'refused', `[acme] in skein.toml: ${text}`)

/** @returns undefined: no certificates are asked for. @throws SkeinError `acme-settings` */
export function acmeSettings({ acme, tls, listen }: Config): AcmeSettings | undefined {
  if (acme.directory === '') return undefined
  if (!/^https:\/\/[^/]/.test(acme.directory)) throw wrong('directory is an https:// address')
  if (!acme['agree-to-terms']) {
    throw wrong('the authority gives certificates only to those who agree to its terms: agree-to-terms = true says so')
  }
  if (tls.cert !== '' || tls.key !== '') {
    throw wrong(
      'a certificate of the authority lies in DIR/tls: take cert and key out of [tls], or directory out of here',
    )
  }
  const { method, names } = acme
  if (method === 'http-01' && names.some((name) => name.startsWith('*.'))) {
    throw wrong('an authority gives *. names only by method = "dns-01"')
  }
  if (method === 'http-01' && listen.http === false) {
    throw wrong('http-01 is answered over HTTP, and http is off in [listen]')
  }
  if ((acme['eab-key-id'] === '') !== (acme['eab-hmac-key'] === '')) {
    throw wrong('eab-key-id and eab-hmac-key belong together')
  }
  return {
    directoryUrl: acme.directory,
    authorities: acme.authorities === '' ? undefined : readAuthorities(acme.authorities),
    email: acme.email,
    external:
      acme['eab-key-id'] === ''
        ? undefined
        : { keyId: acme['eab-key-id'], hmacKey: Buffer.from(acme['eab-hmac-key'], 'base64url') },
    method,
    names: [...new Set(names.map((name) => name.toLowerCase()))],
    keyType: acme['key-type'],
    changesKey: acme['change-key'],
    renewBeforeMs: acme['renew-before-days'] * 86_400_000,
    updates: method === 'dns-01' ? updateSettings(acme) : undefined,
  }
}

function readAuthorities(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw wrong(`authorities: ${file} can't be read: ${(cause as Error).message}`)
  }
}

function updateSettings(acme: Config['acme']): AcmeSettings['updates'] {
  if (acme['dns-server'] === '' || acme['dns-key-name'] === '' || acme['dns-key-secret'] === '') {
    throw wrong('dns-01 needs dns-server, dns-key-name and dns-key-secret')
  }
  try {
    return {
      server: parseServer(acme['dns-server']),
      key: {
        name: acme['dns-key-name'].toLowerCase().replace(/\.$/, ''),
        algorithm: acme['dns-key-algorithm'],
        secret: Buffer.from(acme['dns-key-secret'], 'base64'),
      },
      waitMs: acme['dns-wait-seconds'] * 1000,
    }
  } catch (error) {
    throw wrong(`dns-server: ${(error as Error).message}`)
  }
}

// The certificate in use: PEM files, read again on SIGHUP.
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { readAuthorities } from '@skein/accounts'
import { SkeinError, type TlsMaterial } from '@skein/runtime'

export interface ReloadableTls extends TlsMaterial {
  /** Reads the files again. @throws SkeinError `certificate-invalid`; the old pair stays in use then. */
  reload(): void
}

export function loadTlsMaterial(files: { cert: string; key: string; clientAuthorities?: string }): ReloadableTls {
  const read = () => {
    try {
      const pair = { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') }
      createSecureContext(pair)
      // A key of another kind (RSA beside an ECDSA certificate) makes a context that no client can use.
      if (!new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key))) {
        throw new Error('the key is not the certificate’s')
      }
      if (!files.clientAuthorities) return pair
      return { ...pair, clientAuthorities: readClientAuthorities(files.clientAuthorities) }
    } catch (cause) {
      throw new SkeinError(
        'certificate-invalid',
        'refused',
        `the certificate ${files.cert} with key ${files.key} can't be used: ${(cause as Error).message}`,
        cause,
      )
    }
  }
  let pair = read()
  const listeners = new Set<() => void>()
  return {
    current: () => pair,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    reload() {
      pair = read()
      for (const listener of listeners) listener()
    },
  }
}

function readClientAuthorities(file: string): string {
  const pem = readFileSync(file, 'utf8')
  try {
    readAuthorities(pem)
  } catch (cause) {
    throw new Error(`the client authorities ${file}: ${(cause as Error).message}`, { cause })
  }
  return pem
}

// The certificate in use: PEM files, read again on SIGHUP.
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { SkeinError, type TlsMaterial } from '@skein/runtime'

export interface ReloadableTls extends TlsMaterial {
  /** Reads the files again. @throws SkeinError `certificate-invalid`; the old pair stays in use then. */
  reload(): void
}

export function loadTlsMaterial(files: { cert: string; key: string }): ReloadableTls {
  const read = () => {
    try {
      const pair = { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') }
      createSecureContext(pair)
      // A key of another kind (RSA beside an ECDSA certificate) makes a context that no client can use.
      if (!new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key))) {
        throw new Error('the key is not the certificate’s')
      }
      return pair
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

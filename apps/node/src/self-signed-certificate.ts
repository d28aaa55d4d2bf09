// The self-made certificate of a new node, so that TLS works from the first minute.
import 'reflect-metadata'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'

const validityDays = 3650

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** PEM texts of a fresh ECDSA P-256 key and a certificate for `names` (host names and IP addresses). */
export async function makeSelfSignedCertificate(
  names: string[],
  nowMs: number,
): Promise<{ cert: string; key: string }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`
  return { cert: await certify(keys, names, nowMs), key }
}

/** The PEM text of a certificate for other names, with the key of before. @param key as `makeSelfSignedCertificate` gave it */
export async function makeCertificateAgain(key: string, names: string[], nowMs: number): Promise<string> {
  const der = Buffer.from(key.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  const privateKey = await crypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign'])
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', privateKey)
  const open = { kty, crv, x, y } as JsonWebKey
  const publicKey = await crypto.subtle.importKey('jwk', open, algorithm, true, ['verify'])
  return certify({ privateKey, publicKey }, names, nowMs)
}

async function certify(keys: CryptoKeyPair, names: string[], nowMs: number): Promise<string> {
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${names[0] ?? 'localhost'}`,
      notBefore: new Date(nowMs - 3_600_000),
      notAfter: new Date(nowMs + validityDays * 86_400_000),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(false),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map((name) => ({ type: isIP(name) ? ('ip' as const) : ('dns' as const), value: name })),
        ),
      ],
    },
    crypto,
  )
  return `${certificate.toString('pem')}\n`
}

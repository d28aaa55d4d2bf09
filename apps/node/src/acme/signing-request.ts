// Keys for certificates, and the request that asks for one (RFC 2986).
import 'reflect-metadata'
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import * as x509 from '@peculiar/x509'

export const keyTypes = ['ecdsa-p256', 'ecdsa-p384', 'rsa-2048', 'rsa-4096'] as const
export type KeyType = (typeof keyTypes)[number]

/** PEM (PKCS #8). */
export function makeKey(type: KeyType): string {
  const { privateKey } =
    type === 'rsa-2048' || type === 'rsa-4096'
      ? generateKeyPairSync('rsa', { modulusLength: Number(type.slice(4)) })
      : generateKeyPairSync('ec', { namedCurve: type === 'ecdsa-p384' ? 'P-384' : 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** Undefined for what is none of these. */
export function keyTypeOf(pem: string): KeyType | undefined {
  const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(pem)
  const name =
    asymmetricKeyType === 'rsa'
      ? `rsa-${asymmetricKeyDetails?.modulusLength}`
      : { prime256v1: 'ecdsa-p256', secp384r1: 'ecdsa-p384' }[asymmetricKeyDetails?.namedCurve ?? '']
  return keyTypes.find((type) => type === name)
}

/** DER. @param key PEM */
export async function signingRequest(key: string, names: readonly string[]): Promise<Uint8Array> {
  const type = keyTypeOf(key) ?? 'ecdsa-p256'
  const algorithm = type.startsWith('rsa')
    ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    : {
        name: 'ECDSA',
        namedCurve: type === 'ecdsa-p384' ? 'P-384' : 'P-256',
        hash: type === 'ecdsa-p384' ? 'SHA-384' : 'SHA-256',
      }
  const privateDer = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' })
  const publicDer = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const privateKey = await crypto.subtle.importKey('pkcs8', privateDer, algorithm, true, ['sign'])
  const publicKey = await crypto.subtle.importKey('spki', publicDer, algorithm, true, ['verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    {
      keys: { privateKey, publicKey },
      signingAlgorithm: algorithm,
      extensions: [new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns' as const, value })))],
    },
    crypto,
  )
  return new Uint8Array(request.rawData)
}

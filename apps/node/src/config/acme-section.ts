// `acme`: certificates from an authority.
import { z } from 'zod'
import { count } from './values.ts'

export const acmeSchema = z
  .strictObject({
    directory: z
      .string()
      .default('')
      .describe(
        'The authority’s ACME directory, e.g. https://acme-v02.api.letsencrypt.org/directory; empty: no certificates are asked for.',
      ),
    'agree-to-terms': z.boolean().default(false).describe('You have read the authority’s terms and agree to them.'),
    email: z.string().default('').describe('Where the authority may write to; most need none.'),
    method: z
      .enum(['http-01', 'dns-01'])
      .default('http-01')
      .describe('How names are proved: port 80 of whichever node they lead to, or a record put into the zone.'),
    names: z
      .array(
        z.string().regex(/^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/i, 'not a host name'),
      )
      .max(100)
      .default([])
      .describe(
        'Names in the certificate; empty: the host name, and mail, autoconfig, autodiscover and mta-sts of each domain that lead to nodes.',
      ),
    'key-type': z
      .enum(['ecdsa-p256', 'ecdsa-p384', 'rsa-2048', 'rsa-4096'])
      .default('ecdsa-p256')
      .describe('The key of the certificate.'),
    'change-key': z
      .boolean()
      .default(false)
      .describe('Another key at each renewal, told to the world beforehand; false: the same one, so that TLSA stays.'),
    'renew-before-days': count(89)
      .default(30)
      .describe('How long before its end a certificate is renewed; at most a third of its life.'),
    'eab-key-id': z.string().default('').describe('External account: the key’s name, where the authority wants one.'),
    'eab-hmac-key': z.string().default('').describe('External account: the key, in base64url.'),
    authorities: z
      .string()
      .default('')
      .describe('PEM file with who vouches for the directory itself, for an authority of your own.'),
    'dns-server': z
      .string()
      .default('')
      .describe('dns-01: IP address of the name server that takes dynamic updates, with or without port.'),
    'dns-key-name': z.string().default('').describe('dns-01: name of the TSIG key.'),
    'dns-key-secret': z.string().default('').describe('dns-01: secret of the TSIG key, in base64.'),
    'dns-key-algorithm': z
      .enum(['hmac-sha256', 'hmac-sha384', 'hmac-sha512'])
      .default('hmac-sha256')
      .describe('dns-01: algorithm of the TSIG key.'),
    'dns-wait-seconds': z
      .int()
      .min(0)
      .max(3600)
      .default(0)
      .describe('dns-01: how long the other name servers need to copy a record.'),
  })
  .prefault({})
  .describe('Certificates from an authority that speaks ACME.')

// `authentication`, `outside` and `reports`: what passes between this node and other mail systems.
import { trustedServersDefault } from '@skein/dns'
import { canonicalDomain } from '@skein/mail'
import { z } from 'zod'
import { addressOrBlock, nameServer } from './values.ts'

export const authenticationSchema = z
  .strictObject({
    check: z
      .boolean()
      .default(true)
      .describe('Check SPF, DKIM, DMARC and ARC of letters from strangers; `smtp.trusted` and LMTP are not strangers.'),
    dmarc: z
      .enum(['enforce', 'quarantine', 'record'])
      .default('enforce')
      .describe(
        'What the DMARC policy of the author’s domain may do to a letter that fails it: refuse it or file it under Junk; at the most Junk; nothing, it is only written in the letter.',
      ),
    'spf-fail': z
      .enum(['record', 'refuse'])
      .default('record')
      .describe(
        'A letter from an address that the sender’s SPF record rules out (`-all`), and that DMARC does not pass: written in the letter, or refused. Refusing breaks plain forwarding.',
      ),
    'dns-trouble': z
      .enum(['accept', 'retry-strict', 'retry'])
      .default('retry-strict')
      .describe(
        'The DNS does not answer while a letter is checked: taken all the same; to come again (451) where the author’s domain asks for quarantine or reject; always to come again.',
      ),
    'trusted-sealers': z
      .array(
        z
          .string()
          .refine(
            (text) => canonicalDomain(text) === text && !text.startsWith('['),
            'not a domain (lower case, A-labels)',
          ),
      )
      .default([])
      .describe(
        'Domains, with their subdomains, of mailing lists and forwarders whose ARC seals are believed: a letter that fails DMARC here and passed there is taken.',
      ),
    sign: z
      .boolean()
      .default(true)
      .describe('Sign what leaves the mesh from here (DKIM), and seal what is forwarded (ARC).'),
  })
  .prefault({})
  .describe('Whose name letters may carry: SPF, DKIM, DMARC, ARC. Best the same at all nodes.')

export const outsideSchema = z
  .strictObject({
    'dns-servers': z
      .array(nameServer)
      .default([])
      .describe('Name servers to ask, IP addresses with or without port; empty: the system’s.'),
    'dns-trusted': z
      .array(addressOrBlock)
      .default([...trustedServersDefault])
      .describe(
        'Name servers that validate DNSSEC and whose word on it (the AD bit) is believed, as addresses or CIDR blocks. Where one is in use, others are not asked. See [DNS](dns.md).',
      ),
    addresses: z
      .enum(['ipv4-first', 'ipv6-first', 'ipv4', 'ipv6'])
      .default('ipv4-first')
      .describe(
        'Which addresses of other mail hosts are used, and in which order; the other kind is tried too, unless left out.',
      ),
    authorities: z
      .string()
      .default('')
      .describe(
        'PEM file with certificate authorities that are trusted beside the public ones, where MTA-STS or REQUIRETLS asks for a valid certificate.',
      ),
    'letters-per-minute': z
      .record(z.string(), z.int().min(1).max(1_000_000))
      .default({})
      .describe(
        'Most letters in a minute to a domain, "example.org" = 60; "*" for each that is not named; empty: as many as it takes.',
      ),
    routes: z
      .record(z.string(), z.string().regex(/^.+:\d+$/, 'a route is host:port'))
      .default({})
      .describe('A fixed next hop for a domain, "example.org" = "relay.example.net:25"; "*" for all others.'),
  })
  .prefault({})
  .describe('Sending to other mail systems.')

export const reportsSchema = z
  .strictObject({
    send: z
      .boolean()
      .default(true)
      .describe(
        'Whether domains that ask for it are told by DMARC and TLS reports, once a day, what this node has seen of them.',
      ),
  })
  .prefault({})
  .describe('Reports about other domains; those about ours are read either way (skein report).')

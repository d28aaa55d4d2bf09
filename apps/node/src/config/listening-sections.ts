// `listen`, `mesh` and `tls`: where this node is to be found, and how it shows who it is.
import { z } from 'zod'
import { count, port } from './values.ts'

export const listenSchema = z
  .strictObject({
    smtp: port.optional().describe('SMTP from other mail systems (MX).'),
    submission: port.optional().describe('Submission with STARTTLS.'),
    submissions: port.optional().describe('Submission over TLS.'),
    imap: port.optional().describe('IMAP with STARTTLS.'),
    imaps: port.optional().describe('IMAP over TLS.'),
    pop3: port.optional().describe('POP3 with STLS.'),
    pop3s: port.optional().describe('POP3 over TLS.'),
    http: port.optional().describe('HTTP in clear: pages for people, discovery for mail programs.'),
    https: port.optional().describe('The same under TLS.'),
    lmtp: port.optional().describe('LMTP from a mail system in front; off unless set.'),
  })
  .default({})
  .describe('Ports; left out: the profile’s; false: off; 0: any free port.')

export const meshSchema = z
  .strictObject({
    port: z.int().min(0).max(65_535).optional().describe('Port of the mesh (DI-41); left out: the profile’s.'),
    announce: z
      .array(z.string())
      .default([])
      .describe(
        'Public IP addresses or host names by which other nodes reach this one behind NAT (DI-40); empty: the listening ones.',
      ),
    'connect-timeout-seconds': count(600).default(30).describe('Limit for reaching another node (DI-42).'),
    backlog: count(1024).default(32).describe('Connections waiting to be taken (DI-43).'),
    'inbound-max': count(1024).default(256).describe('Connections from other nodes at once (DI-44).'),
    'outbound-max': count(1024).default(256).describe('Connections to other nodes at once (DI-45).'),
    serve: z.boolean().default(true).describe('Take connections from other nodes (DI-48).'),
    connect: z.boolean().default(true).describe('Open connections to other nodes (DI-49).'),
    user: z
      .string()
      .default('')
      .describe('With a password: a second factor that every peer must know too, for joining and speaking (DI-46).'),
    password: z.string().default('').describe('The password of that second factor.'),
    'suspect-after-seconds': count(600).default(8).describe('A peer silent for this long counts as unreachable.'),
  })
  .prefault({})
  .describe('The link to other nodes.')

export const tlsSchema = z
  .strictObject({
    cert: z.string().default('').describe('PEM file with the certificate chain; empty: DIR/tls/cert.pem.'),
    key: z.string().default('').describe('PEM file with the private key; empty: DIR/tls/key.pem.'),
    'client-authorities': z
      .string()
      .default('')
      .describe(
        'PEM file with the authorities whose client certificates log people in (SASL EXTERNAL); empty: clients are not asked for any.',
      ),
  })
  .prefault({})
  .describe('The certificate for SMTP, IMAP, POP3 and HTTPS. Read again on SIGHUP.')

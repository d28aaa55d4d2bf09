// Every setting of DIR/skein.toml, in the order of the reference: docs/operating/configuration.md is generated from it.
import { isIP } from 'node:net'
import { z } from 'zod'
import { acmeSchema } from './acme-section.ts'
import { doorSchema } from './door-section.ts'
import { listenSchema, meshSchema, tlsSchema } from './listening-sections.ts'
import { authenticationSchema, outsideSchema, reportsSchema } from './outside-sections.ts'
import { httpSchema, imapSchema, pop3Schema, searchSchema, sessionsSchema } from './reading-sections.ts'
import { smtpSchema } from './smtp-section.ts'

export const configSchema = z.strictObject({
  profile: z
    .enum(['standard', 'dev'])
    .default('standard')
    .describe('Which set of default ports: standard or dev (plus 10000).'),
  bind: z
    .string()
    .refine((text) => text === '' || isIP(text) > 0, 'not an IP address')
    .default('')
    .describe('The one address on which every service listens; empty means all addresses.'),
  'host-name': z
    .string()
    .regex(/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.(?!$)|$))*$/i, 'not a host name')
    .default('')
    .describe('Name announced in SMTP greetings and Received headers; empty means NAME.DOMAIN of the mesh.'),
  'log-level': z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('What is logged to stderr, as JSON lines.'),
  listen: listenSchema,
  mesh: meshSchema,
  tls: tlsSchema,
  acme: acmeSchema,
  smtp: smtpSchema,
  door: doorSchema,
  imap: imapSchema,
  reports: reportsSchema,
  search: searchSchema,
  pop3: pop3Schema,
  sessions: sessionsSchema,
  http: httpSchema,
  authentication: authenticationSchema,
  outside: outsideSchema,
})

export type Config = z.output<typeof configSchema>

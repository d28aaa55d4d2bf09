// DIR/skein.toml: what belongs to this machine. Settings of the mesh live in the mesh, not here.
// The schema is the reference: docs/operating/configuration.md is generated from it.
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { deliveryLimits } from '@skein/delivery'
import { parseServer, trustedServersDefault } from '@skein/dns'
import { canonicalDomain } from '@skein/mail'
import { doorLimits, parseDnsList } from '@skein/filtering'
import { SkeinError, createAddressSet } from '@skein/runtime'
import { parse } from 'smol-toml'
import { z } from 'zod'

const port = z.union([z.int().min(0).max(65_535), z.literal(false)], 'a port is a number from 0 to 65535, or false')
const addressOrBlock = z.string().refine((text) => {
  try {
    createAddressSet([text])
    return true
  } catch {
    return false
  }
}, 'neither an IP address nor a CIDR block')
const nameServer = z.string().refine((text) => {
  try {
    parseServer(text)
    return true
  } catch {
    return false
  }
}, 'not the IP address of a name server, with or without a port')
const dnsList = z.string().superRefine((text, context) => {
  try {
    parseDnsList(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
  }
})
const count = (max: number) => z.int().min(1).max(max)
const amount = z.int().min(0).max(1_000_000_000)

const acmeSchema = z
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

const doorSchema = z
  .strictObject({
    greylist: z
      .enum(['off', 'suspicious', 'all'])
      .default('suspicious')
      .describe(
        'Whose first letter has to come twice: nobody’s, that of addresses without a confirmed host name, on a DNS list or with a bad name, or everybody’s.',
      ),
    'greylist-pause-seconds': count(86_400)
      .default(doorLimits.greylistPauseMs / 1000)
      .describe('When the second try is taken.'),
    'without-name': z
      .enum(['record', 'refuse'])
      .default('record')
      .describe(
        'What happens to addresses whose host name the DNS does not confirm: recorded, or refused (550 5.7.25).',
      ),
    lists: z
      .array(dnsList)
      .max(doorLimits.listsMax)
      .default([])
      .describe(
        'DNS lists (RFC 5782), each as "zone of=address|domain codes=127.0.0.2,127.0.0.4/30 weight=1"; a negative weight is a list of friends. Lists have terms of use: none is asked unless it stands here. See [The door](door.md).',
      ),
    'listed-from': z
      .number()
      .min(0.001)
      .max(1000)
      .default(1)
      .describe('The weight of all hits together from which a client is refused (554 5.7.1).'),
    'sessions-per-address-max': count(1_000_000)
      .default(doorLimits.sessionsPerAddressMax)
      .describe('Sessions of one stranger’s address at once (421 4.7.0).'),
    'connections-per-address-max': count(1_000_000)
      .default(doorLimits.connectionsPerAddressPer10MinMax)
      .describe('Its connections in ten minutes, at all nodes together (421 4.7.0).'),
    'letters-per-address-max': count(1_000_000)
      .default(doorLimits.lettersPerAddressPerHourMax)
      .describe('Its letters in an hour, at all nodes together (451 4.7.1); ten times as many with a good name.'),
    'recipients-per-address-max': count(10_000_000)
      .default(doorLimits.recipientsPerAddressPerHourMax)
      .describe('Its recipients in an hour (451 4.7.1).'),
    'unknown-recipients-max': count(1_000_000)
      .default(doorLimits.unknownRecipientsPerHourMax)
      .describe('Its unknown recipients in an hour; with one more it is banned at all nodes.'),
    'ban-seconds': count(86_400)
      .default(doorLimits.banFirstMs / 1000)
      .describe('How long a first ban lasts; each further one twice as long, up to a day.'),
    'letters-per-recipient-max': count(10_000_000)
      .default(doorLimits.lettersPerRecipientPerHourMax)
      .describe('Letters from strangers to one mailbox in an hour (450 4.2.1).'),
  })
  .prefault({})
  .describe('Who may come in by SMTP, how often, and who has to wait.')

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
  listen: z
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
    .describe('Ports; left out: the profile’s; false: off; 0: any free port.'),
  mesh: z
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
    .describe('The link to other nodes.'),
  tls: z
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
    .describe('The certificate for SMTP, IMAP, POP3 and HTTPS. Read again on SIGHUP.'),
  acme: acmeSchema,
  smtp: z
    .strictObject({
      'bare-line-ends': z
        .enum(['refuse', 'normalise'])
        .default('refuse')
        .describe('What happens to letters with a bare CR or LF: refused, or made CRLF.'),
      'message-bytes-max': count(2 ** 31)
        .default(50 * 1024 * 1024)
        .describe('Largest message taken.'),
      'recipients-max': count(100_000).default(1000).describe('Recipients of one letter.'),
      'user-letters-per-hour-max': amount
        .default(deliveryLimits.userLettersPerHourMax)
        .describe('Letters that one user may submit within an hour, all nodes together; 0: no end.'),
      'user-recipients-per-hour-max': amount
        .default(deliveryLimits.userRecipientsPerHourMax)
        .describe('Recipients of what one user submits within an hour, all nodes together; 0: no end.'),
      'user-recipients-per-day-max': amount
        .default(deliveryLimits.userRecipientsPerDayMax)
        .describe('The same within a day.'),
      'connections-max': count(1_000_000).default(10_000).describe('SMTP connections at once, all ports together.'),
      'connections-per-address-max': count(1_000_000)
        .default(200)
        .describe('SMTP connections at once from one address.'),
      'command-timeout-seconds': count(3600)
        .default(300)
        .describe('A client that completes no command in this time is closed.'),
      'data-timeout-seconds': count(3600)
        .default(180)
        .describe('A client that sends nothing of its message for this long is closed.'),
      trusted: z
        .array(addressOrBlock)
        .default(['127.0.0.0/8', '::1'])
        .describe(
          'Addresses or CIDR ranges that get no greeting pause, no limit of connections per address (POP3 too), and of whom the door asks nothing.',
        ),
      proxy: z
        .array(addressOrBlock)
        .default([])
        .describe(
          'Addresses or CIDR ranges of load balancers: their connections must begin with a PROXY header (version 1 or 2), and who it names counts as the client.',
        ),
      xclient: z
        .array(addressOrBlock)
        .default([])
        .describe("Addresses or CIDR ranges whose XCLIENT counts (Postfix's way to say who the client is)."),
      xforward: z
        .array(addressOrBlock)
        .default([])
        .describe("Addresses or CIDR ranges whose XFORWARD counts: for a letter's Received field and its checks."),
      'solicitations-refused': z
        .array(z.string().regex(/^[A-Za-z0-9._:-]+$/))
        .default([])
        .describe('Keywords of NO-SOLICITING (RFC 3865); letters whose sender says that they offer that are refused.'),
      'future-release-max-days': count(365)
        .default(90)
        .describe('How far ahead a letter may be submitted to be sent (FUTURERELEASE).'),
      'channel-binding': z
        .boolean()
        .default(false)
        .describe(
          'Whether submission offers SCRAM-SHA-256-PLUS. Off: neomutt with GNU SASL takes it where it is offered, cannot do it and gives up.',
        ),
    })
    .prefault({})
    .describe('SMTP and submission.'),
  door: doorSchema,
  imap: z
    .strictObject({
      'connections-max': count(1_000_000).default(10_000).describe('IMAP connections at once.'),
      'connections-per-address-max': count(1_000_000)
        .default(500)
        .describe('IMAP connections at once from one address.'),
      'literal-bytes-max': count(2 ** 31)
        .default(64 * 1024 * 1024)
        .describe('Largest literal (APPEND) taken.'),
      unauthenticate: z
        .boolean()
        .default(true)
        .describe('Whether a connection may go over to another account (RFC 8437).'),
    })
    .prefault({})
    .describe('IMAP.'),
  reports: z
    .strictObject({
      send: z
        .boolean()
        .default(true)
        .describe(
          'Whether domains that ask for it are told by DMARC and TLS reports, once a day, what this node has seen of them.',
        ),
    })
    .prefault({})
    .describe('Reports about other domains; those about ours are read either way (skein report).'),
  search: z
    .strictObject({
      accounts: z
        .enum(['used', 'all', 'none'])
        .default('used')
        .describe(
          'Whose mail is indexed for searches: accounts that someone reads by IMAP, all that get mail, or none (searches then read the mail itself).',
        ),
    })
    .prefault({})
    .describe('The index for searches, in DIR/search; it may be removed at any time and is made again.'),
  pop3: z
    .strictObject({
      'connections-max': count(1_000_000).default(10_000).describe('POP3 connections at once.'),
      'connections-per-address-max': count(1_000_000)
        .default(200)
        .describe('POP3 connections at once from one address.'),
      'expire-days': z
        .int()
        .min(0)
        .max(36_500)
        .optional()
        .describe('Days for which letters stay, as POP3 tells clients (EXPIRE); left out: NEVER removed. Only told.'),
      'ascii-headers': z
        .boolean()
        .default(false)
        .describe(
          'Whether a client that does not say UTF8 gets UTF-8 in a letter’s header made ASCII (RFC 6856); else every letter goes out byte for byte, which every client known to us reads and which keeps its signatures.',
        ),
    })
    .prefault({})
    .describe('POP3.'),
  sessions: z
    .strictObject({
      carry: z
        .boolean()
        .default(true)
        .describe(
          'People of other nodes may log in here by IMAP and POP3: their sessions are carried to their home; false: they are told where that is.',
        ),
    })
    .prefault({})
    .describe('Logins of people whose mailbox lives on another node.'),
  http: z
    .strictObject({
      'connections-max': count(1_000_000).default(10_000).describe('HTTP connections at once.'),
      'connections-per-address-max': count(1_000_000)
        .default(200)
        .describe('HTTP connections at once from one address.'),
      'request-timeout-seconds': count(3600)
        .default(60)
        .describe(
          'A client that has not sent its whole request in this time is closed; a quarter of it for the header.',
        ),
      'metrics-token': z
        .string()
        .default('')
        .describe('Whoever sends this bearer token may read /metrics from anywhere; empty: only this machine may.'),
    })
    .prefault({})
    .describe('HTTP and HTTPS.'),
  authentication: z
    .strictObject({
      check: z
        .boolean()
        .default(true)
        .describe(
          'Check SPF, DKIM, DMARC and ARC of letters from strangers; `smtp.trusted` and LMTP are not strangers.',
        ),
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
    .describe('Whose name letters may carry: SPF, DKIM, DMARC, ARC. Best the same at all nodes.'),
  outside: z
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
    .describe('Sending to other mail systems.'),
})

export type Config = z.output<typeof configSchema>

/** The key among `known` that a person most likely meant, or undefined when none is near. */
function nearest(word: string, known: readonly string[]): string | undefined {
  let best: { key: string; distance: number } | undefined
  for (const key of known) {
    const distance = editDistance(word, key)
    if (!best || distance < best.distance) best = { key, distance }
  }
  return best && best.distance <= Math.max(2, Math.floor(word.length / 2)) ? best.key : undefined
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}

function keysAt(path: readonly PropertyKey[]): string[] {
  let schema: z.ZodType = configSchema
  for (const part of path) {
    while (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
      schema = schema.unwrap() as z.ZodType
    }
    if (!(schema instanceof z.ZodObject)) return []
    schema = schema.shape[String(part)] as z.ZodType
  }
  while (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) schema = schema.unwrap() as z.ZodType
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const where = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(issue.path)
    return issue.keys
      .map((key) => {
        const guess = nearest(key, known)
        const full = where ? `${where}.${key}` : key
        return `unknown key "${full}"${guess ? `; did you mean "${where ? `${where}.` : ''}${guess}"?` : ''}`
      })
      .join('; ')
  }
  return `${where || 'the file'}: ${issue.message}`
}

/** @throws SkeinError `config-invalid` with one sentence that names the file, the key and what is wrong. */
export function parseConfig(text: string, fileName: string): Config {
  let data: unknown
  try {
    data = parse(text)
  } catch (cause) {
    const firstLine = (cause as Error).message.split('\n')[0]
    throw new SkeinError('config-invalid', 'refused', `${fileName} is not valid TOML: ${firstLine}`, cause)
  }
  const result = configSchema.safeParse(data)
  if (!result.success) {
    throw new SkeinError(
      'config-invalid',
      'refused',
      `${fileName}: ${result.error.issues.map(describeIssue).join('; ')}`,
    )
  }
  return result.data
}

export function readConfig(fileName: string): Config {
  let text: string
  try {
    text = readFileSync(fileName, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new SkeinError(
        'not-initialised',
        'refused',
        `${fileName} does not exist: start with "skein init" or "skein join"`,
        cause,
      )
    }
    throw new SkeinError('config-invalid', 'refused', `${fileName} can't be read: ${(cause as Error).message}`, cause)
  }
  return parseConfig(text, fileName)
}

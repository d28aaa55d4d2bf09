// The way to other mail systems, wired from the settings: whom to ask, whom to trust, where to send from.
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { getCACertificates } from 'node:tls'
import { createDnsResolver } from '@skein/dns'
import type { MessageLog } from '@skein/mailboxes'
import type { TlsJournal } from '@skein/reports'
import {
  type DnsResolver,
  type Logger,
  SkeinError,
  isLoopback,
  systemClock as clock,
  systemRandom as random,
} from '@skein/runtime'
import { type OutsideCourier, createOutsideCourier } from '@skein/smtp'
import { type Database, createStsPolicyStore } from '@skein/storage'
import type { Config } from './config.ts'
import { portChosen } from './front-doors.ts'
import { portOf } from './profile.ts'

/** The one resolver of this node: its cache serves all who ask. */
export function openResolver(config: Config, logger: Logger): DnsResolver {
  return createDnsResolver(
    { clock, logger: logger.child({ part: 'dns' }) },
    { servers: config.outside['dns-servers'], trusted: config.outside['dns-trusted'] },
  )
}

export interface OutsideParts {
  log: MessageLog
  database: Database
  resolver: DnsResolver
  journal: TlsJournal
  hostName: string
  logger: Logger
}

export function openOutsideWay(
  config: Config,
  { log, database, resolver, journal, hostName, logger }: OutsideParts,
): OutsideCourier {
  const { authorities, addresses: families, routes } = config.outside
  return createOutsideCourier(
    {
      log,
      clock,
      random,
      logger: logger.child({ part: 'outside' }),
      resolver,
      stsPolicies: createStsPolicyStore(database),
      journal,
    },
    {
      hostName,
      routes,
      families,
      ownAddresses: isWildcard(config.bind) ? interfaceAddresses() : [config.bind],
      ownPorts: [portChosen(config, 'smtp') || portOf(config.profile, 'smtp')],
      // A loopback address reaches nobody outside.
      ...(isWildcard(config.bind) || isLoopback(config.bind) ? {} : { localAddress: config.bind }),
      ...(authorities === ''
        ? {}
        : { authorities: [...getCACertificates('default'), ...readAuthorities(authorities)] }),
    },
  )
}

function readAuthorities(file: string): string[] {
  try {
    const found = readFileSync(file, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
    if (found.length === 0) throw new Error('it holds no certificate in PEM')
    return found.map((pem) => new X509Certificate(pem).toString())
  } catch (cause) {
    throw new SkeinError(
      'config-invalid',
      'refused',
      `outside.authorities: ${file} can't be used: ${(cause as Error).message}`,
      cause,
    )
  }
}

function isWildcard(bind: string): boolean {
  return bind === '' || bind === '0.0.0.0' || bind === '::'
}

function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((entry) => entry.address))
}

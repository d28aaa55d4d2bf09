// SMTP, submission, IMAP and POP3 on the ports that the configuration says, closed together.
import {
  type CarriedSessionHost,
  type SessionCarrier,
  createSessionCarrier,
  serveCarriedSessions,
} from '@skein/accounts'
import type { Delivery } from '@skein/delivery'
import { type ImapComponents, createImapServer } from '@skein/imap'
import { createPop3Server } from '@skein/pop3'
import { type Logger, SkeinError, systemClock as clock, systemRandom as random } from '@skein/runtime'
import { type SmtpComponents, createSmtpServer } from '@skein/smtp'
import type { Config } from './config.ts'
import type { Listener } from './control/status-view.ts'
import type { Opened } from './opened.ts'
import { portOf } from './profile.ts'
import type { ReloadableTls } from './tls-files.ts'
import { skeinVersion } from './version.ts'

export interface FrontDoorSetting {
  config: Config
  logger: Logger
  tls: ReloadableTls
  opened: Opened
  listeners: Listener[]
  drainMs(): number
  hostName: string
}

export interface FrontDoors {
  /** Ends the sessions of one account; `address` in canonical form. */
  dismiss(address: string): void
  /** Connections that stand now, by door. */
  connections(): Record<string, number>
}

export async function openFrontDoors(
  setting: FrontDoorSetting,
  delivery: Delivery,
  parts: Pick<ImapComponents, 'mailboxes' | 'textIndex' | 'log' | 'authenticator' | 'directory'> &
    Pick<CarriedSessionHost, 'streams' | 'redeem'> &
    Pick<SmtpComponents, 'doorkeeper'>,
): Promise<FrontDoors> {
  const { config, logger, tls, opened, hostName } = setting
  const { mailboxes, textIndex, log, authenticator, directory, streams, redeem, doorkeeper } = parts
  const carrier: { carrier?: SessionCarrier } = config.sessions.carry
    ? { carrier: createSessionCarrier({ streams }) }
    : {}
  const smtp = createSmtpServer(
    { intake: delivery.intake, authenticator, doorkeeper, clock, random, logger: logger.child({ part: 'smtp' }), tls },
    {
      hostName,
      bareLineEnds: config.smtp['bare-line-ends'],
      messageBytesMax: config.smtp['message-bytes-max'],
      recipientsMax: config.smtp['recipients-max'],
      connectionsMax: config.smtp['connections-max'],
      connectionsPerAddressMax: config.smtp['connections-per-address-max'],
      commandTimeoutMs: config.smtp['command-timeout-seconds'] * 1000,
      dataTimeoutMs: config.smtp['data-timeout-seconds'] * 1000,
      trustedAddresses: config.smtp.trusted,
      channelBinding: config.smtp['channel-binding'],
      proxyAddresses: config.smtp.proxy,
      xclientAddresses: config.smtp.xclient,
      xforwardAddresses: config.smtp.xforward,
      solicitationsRefused: config.smtp['solicitations-refused'],
      futureReleaseMaxMs: config.smtp['future-release-max-days'] * 86_400_000,
    },
  )
  const imap = createImapServer(
    {
      mailboxes,
      ...(textIndex && { textIndex }),
      ...(directory && { directory }),
      log,
      authenticator,
      ...carrier,
      clock,
      random,
      logger: logger.child({ part: 'imap' }),
      tls,
    },
    {
      version: skeinVersion,
      unauthenticate: config.imap.unauthenticate,
      limits: {
        connectionsMax: config.imap['connections-max'],
        connectionsPerAddressMax: config.imap['connections-per-address-max'],
        literalBytesMax: config.imap['literal-bytes-max'],
      },
    },
  )
  const pop3 = createPop3Server(
    { mailboxes, authenticator, ...carrier, clock, random, logger: logger.child({ part: 'pop3' }), tls },
    {
      hostName,
      expireDays: config.pop3['expire-days'],
      asciiHeaders: config.pop3['ascii-headers'],
      connectionsMax: config.pop3['connections-max'],
      connectionsPerAddressMax: config.pop3['connections-per-address-max'],
      trustedAddresses: config.smtp.trusted,
    },
  )
  serveCarriedSessions(
    { streams, redeem, logger: logger.child({ part: 'sessions' }) },
    { imap: imap.takeSession, pop3: pop3.takeSession },
  )
  opened.add('front doors', () =>
    Promise.all([smtp, imap, pop3].map((door) => door.close({ drainMs: setting.drainMs() }))),
  )

  const host = listeningHost(config)
  const open = (service: FrontDoor, listen: (port: number) => Promise<{ port: number }>) =>
    openListener(setting, service, listen)
  await Promise.all([
    open('smtp', (port) => smtp.listen({ host, port, role: 'mx' })),
    open('submission', (port) => smtp.listen({ host, port, role: 'submission' })),
    open('submissions', (port) => smtp.listen({ host, port, role: 'submissions' })),
    open('lmtp', (port) => smtp.listen({ host, port, role: 'lmtp' })),
    open('imap', (port) => imap.listen({ host, port, mode: 'starttls' })),
    open('imaps', (port) => imap.listen({ host, port, mode: 'implicit' })),
    open('pop3', (port) => pop3.listen({ host, port, mode: 'starttls' })),
    open('pop3s', (port) => pop3.listen({ host, port, mode: 'implicit' })),
  ])
  return {
    // Submission asks the map at each letter.
    dismiss(address) {
      imap.dismiss(address)
      pop3.dismiss(address)
    },
    connections: () => ({ smtp: smtp.connections(), imap: imap.connections(), pop3: pop3.connections() }),
  }
}

type FrontDoor = Exclude<Listener['service'], 'mesh'>

export function listeningHost(config: Config): string {
  return config.bind === '' ? '::' : config.bind
}

/** Opens the port that the configuration says, if any, and lists it. @throws SkeinError `cannot-listen` */
export async function openListener(
  { config, listeners }: Pick<FrontDoorSetting, 'config' | 'listeners'>,
  service: FrontDoor,
  listen: (port: number) => Promise<{ port: number }>,
): Promise<void> {
  const port = portChosen(config, service)
  if (port === false) return
  try {
    listeners.push({ service, address: listeningHost(config), port: (await listen(port)).port })
  } catch (cause) {
    throw listenError(service, listeningHost(config), port, cause)
  }
}

/** False: off. */
export function portChosen(config: Config, service: FrontDoor): number | false {
  const chosen = config.listen[service as keyof Config['listen']]
  return chosen ?? (service === 'lmtp' ? false : portOf(config.profile, service))
}

function listenError(service: string, host: string, port: number, cause: unknown): SkeinError {
  const code = (cause as NodeJS.ErrnoException).code
  const why =
    code === 'EADDRINUSE'
      ? 'another program uses it'
      : code === 'EACCES'
        ? 'ports below 1024 need root or CAP_NET_BIND_SERVICE'
        : code === 'EADDRNOTAVAIL'
          ? 'this machine has no such address'
          : (cause as Error).message
  return new SkeinError('cannot-listen', 'refused', `${service} can't listen on ${host} port ${port}: ${why}`, cause)
}

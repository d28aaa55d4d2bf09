// One node: everything is made here, started in order, and stopped in the opposite order. Wiring only; no rules.
import { networkInterfaces } from 'node:os'
import { createAuthenticator } from '@skein/accounts'
import { type Delivery, createDelivery } from '@skein/delivery'
import { createImapServer } from '@skein/imap'
import { type MessageLog, createMailboxes } from '@skein/mailboxes'
import { type Mesh, createMesh, createSigner } from '@skein/mesh'
import { createPop3Server } from '@skein/pop3'
import { type Ledger, createLedger } from '@skein/replication'
import {
  type Logger,
  SkeinError,
  isLoopback,
  sleep,
  systemClock as clock,
  systemRandom as random,
} from '@skein/runtime'
import { createDnsResolver, createOutsideCourier, createSmtpServer } from '@skein/smtp'
import {
  Database,
  checkStore,
  createAccountStore,
  createLedgerStore,
  createMailboxStore,
  createQueueStore,
  createStoreUpkeep,
  createTraceStore,
  openMessageLog,
} from '@skein/storage'
import { createAdministrators } from './administrators.ts'
import type { Config } from './config.ts'
import { sendConflictNotices } from './conflict-notices.ts'
import { listenForControl } from './control/server.ts'
import type { Listener } from './control/status-view.ts'
import { type DataDirectory, readNodeKey } from './data-directory.ts'
import { createHomeMailboxes } from './home-mailboxes.ts'
import { hostNameOf, meshAddress } from './node-names.ts'
import { answerPeers, runOperation } from './operations/index.ts'
import type { NodeParts } from './operations/operation.ts'
import { portOf } from './profile.ts'
import { type ReloadableTls, loadTlsMaterial } from './tls-files.ts'
import { skeinVersion } from './version.ts'

export interface RunningNode {
  name: string
  nodeId: string
  listeners: Listener[]
  /** Takes no new work, finishes what is under way within `drainMs`, writes and closes everything. */
  stop(drainMs: number): Promise<void>
  /** Reads the certificate files again. */
  reloadTls(): void
}

/** Closes what was opened, last first, whatever fails on the way. */
class Opened {
  readonly #closers: { what: string; close: () => Promise<unknown> | void }[] = []
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(what: string, close: () => Promise<unknown> | void): void {
    this.#closers.push({ what, close })
  }

  async closeAll(): Promise<void> {
    for (let next = this.#closers.pop(); next; next = this.#closers.pop()) {
      try {
        await next.close()
      } catch (error) {
        this.#logger.error({ what: next.what, error: String(error) }, 'could not be closed cleanly')
      }
    }
  }
}

export async function startDaemon(paths: DataDirectory, config: Config, logger: Logger): Promise<RunningNode> {
  const opened = new Opened(logger)
  try {
    return await openNode(paths, config, logger, opened)
  } catch (error) {
    await opened.closeAll()
    throw error
  }
}

async function openNode(paths: DataDirectory, config: Config, logger: Logger, opened: Opened): Promise<RunningNode> {
  const startedMs = clock.nowMs()
  let drainMs = 0
  const tls = loadTlsMaterial({ cert: config.tls.cert || paths.tlsCert, key: config.tls.key || paths.tlsKey })
  const { database, log, ...stores } = await openStores(paths, logger, opened)
  const { ledger, mesh } = await joinPeers(paths, config, database, logger, opened)
  const { directory } = ledger
  const name = directory.node(ledger.self)?.name ?? ledger.self
  const domains = directory.domains().map((domain) => domain.name)
  const hostName = config['host-name'] || hostNameOf(name, domains)

  const ownMailboxes = createMailboxes({ store: stores.mailboxes, log, clock, random, logger })
  const mailboxes = createHomeMailboxes(ownMailboxes, stores.accounts, directory)
  opened.add('mailboxes', () => mailboxes.close())
  const authenticator = createAuthenticator({ directory, accounts: stores.accounts, link: mesh, clock, random, logger })
  const administrators = createAdministrators(stores.accounts)
  const outside = openOutside(config, log, hostName, logger, opened)
  const delivery = createDelivery(
    {
      queue: stores.queue,
      trace: createTraceStore(database),
      log,
      directory,
      mailboxes,
      link: mesh,
      outside,
      clock,
      random,
      logger: logger.child({ part: 'delivery' }),
    },
    {
      hostName,
      administrators: () => administrators.list(),
      messageBytesMax: config.smtp['message-bytes-max'],
      recipientsMax: config.smtp['recipients-max'],
    },
  )
  sendConflictNotices(ledger, delivery, administrators, { hostName, clock, logger })
  const listeners = meshListeners(mesh)
  const parts: NodeParts = {
    administrators,
    ledger,
    mesh,
    accounts: stores.accounts,
    mailboxes,
    delivery,
    clock,
    logger,
    startedMs,
    listeners: () => listeners,
    forgetLogins: () => authenticator.forget(),
    check: () => checkStore({ database, log, clock }),
  }
  answerPeers(parts)
  await announceSelf(ledger, mesh, config, hostName)
  await delivery.start()
  opened.add('delivery', () => delivery.stop())
  administrators.read().catch((error: unknown) => {
    logger.error({ error: String(error) }, 'the accounts could not be read for their roles')
  })
  const upkeep = createStoreUpkeep({ database, log, queue: stores.queue, clock, logger })
  upkeep.start()
  opened.add('upkeep', () => upkeep.stop())

  await openFrontDoors({ config, logger, tls, opened, listeners, drainMs: () => drainMs, hostName }, delivery, {
    mailboxes,
    log,
    authenticator,
  })
  const control = await listenForControl(
    paths.controlSocket,
    ({ op, params }) => runOperation(parts, op, params),
    logger.child({ part: 'control' }),
  )
  opened.add('control socket', () => control.close())
  return {
    name,
    nodeId: ledger.self,
    listeners,
    reloadTls: () => tls.reload(),
    async stop(limitMs) {
      drainMs = limitMs
      await opened.closeAll()
    },
  }
}

async function openStores(paths: DataDirectory, logger: Logger, opened: Opened) {
  const database = await Database.open(paths.database)
  opened.add('database', () => database.close())
  const log = await openMessageLog(paths.messages, { clock, logger })
  opened.add('message log', () => log.close())
  return {
    database,
    log,
    accounts: createAccountStore(database),
    mailboxes: createMailboxStore(database),
    queue: createQueueStore(database),
  }
}

/** The ledger as it was left, and the link to those whom it names. A newcomer waits here for its first look at the mesh. */
async function joinPeers(
  paths: DataDirectory,
  config: Config,
  database: Database,
  logger: Logger,
  opened: Opened,
): Promise<{ ledger: Ledger; mesh: Mesh }> {
  const privateKey = readNodeKey(paths)
  const ledger = await createLedger({
    store: createLedgerStore(database),
    signer: createSigner(privateKey),
    clock,
    random,
    logger: logger.child({ part: 'ledger' }),
  })
  opened.add('ledger', () => ledger.close())
  if (ledger.meshId === undefined) {
    throw new SkeinError(
      'not-initialised',
      'refused',
      `${paths.root} belongs to no mesh yet: "skein init" or "skein join"`,
    )
  }
  const mesh = await createMesh(
    { gate: ledger.gate, privateKey, clock, random, logger: logger.child({ part: 'mesh' }) },
    meshSettings(config),
  )
  ledger.attach(mesh)
  await mesh.start()
  opened.add('mesh', () => mesh.stop())
  // A mesh always has a domain: with none, this node has just joined and knows nothing yet.
  if (ledger.directory.domains().length === 0) await firstSync(ledger, mesh, logger)
  return { ledger, mesh }
}

const firstSyncLimitMs = 20_000

async function firstSync(ledger: Ledger, mesh: Mesh, logger: Logger): Promise<void> {
  const deadlineMs = clock.monotonicMs() + firstSyncLimitMs
  while (clock.monotonicMs() < deadlineMs) {
    for (const peer of mesh.connected()) {
      try {
        await ledger.whenSynced(peer)
        return
      } catch (error) {
        logger.info({ peer, error: String(error) }, 'the first look at the mesh is tried again')
      }
    }
    await sleep(clock, 50)
  }
  logger.warn({}, 'no member could be reached yet: users and domains of the mesh are not known here')
}

function openOutside(
  config: Config,
  log: MessageLog,
  hostName: string,
  logger: Logger,
  opened: Opened,
): ReturnType<typeof createOutsideCourier> {
  const outside = createOutsideCourier(
    {
      log,
      clock,
      random,
      logger: logger.child({ part: 'outside' }),
      resolver: createDnsResolver({ clock }, { ...listIfAny('servers', config.outside['dns-servers']) }),
    },
    {
      hostName,
      routes: config.outside.routes,
      ownAddresses: isWildcard(config.bind) ? interfaceAddresses() : [config.bind],
      ownPorts: [portChosen(config, 'smtp') || portOf(config.profile, 'smtp')],
      // A loopback address reaches nobody outside.
      ...(isWildcard(config.bind) || isLoopback(config.bind) ? {} : { localAddress: config.bind }),
    },
  )
  opened.add('outside courier', () => outside.close())
  return outside
}

function meshSettings(config: Config): Parameters<typeof createMesh>[1] {
  const { mesh } = config
  const port = mesh.port ?? portOf(config.profile, 'mesh')
  const hosts = config.bind === '' ? ['0.0.0.0', '::'] : [config.bind]
  return {
    listenAddresses: hosts.map((host) => meshAddress(host, port)),
    announceAddresses: mesh.announce.map((address) => announced(address, port)),
    connectTimeoutMs: mesh['connect-timeout-seconds'] * 1000,
    backlog: mesh.backlog,
    inboundConnectionsMax: mesh['inbound-max'],
    outboundConnectionsMax: mesh['outbound-max'],
    serve: mesh.serve,
    connect: mesh.connect,
    suspectAfterMs: mesh['suspect-after-seconds'] * 1000,
    secondFactor: mesh.user === '' ? null : { user: mesh.user, password: mesh.password },
  }
}

/** An IP address, a host name, or a multiaddr already. */
function announced(text: string, port: number): string {
  if (text.startsWith('/')) return text
  return /^[\d.]+$|:/.test(text) ? meshAddress(text, port) : `/dns/${text}/tcp/${port}`
}

function meshListeners(mesh: Mesh): Listener[] {
  return mesh.listenAddresses().flatMap((address) => {
    const [, , ip, , port] = address.split('/')
    return ip && port ? [{ service: 'mesh' as const, address: ip, port: Number(port) }] : []
  })
}

/** Says in this node's own document where it can be reached now, when that differs from what it said before. */
async function announceSelf(ledger: Ledger, mesh: Mesh, config: Config, hostName: string): Promise<void> {
  const own = ledger.directory.node(ledger.self)
  const port = config.mesh.port ?? portOf(config.profile, 'mesh')
  const addresses =
    config.mesh.announce.length > 0
      ? config.mesh.announce.map((address) => announced(address, port))
      : mesh.listenAddresses()
  const same = own?.hostName === hostName && own.version === skeinVersion && own.addresses.join() === addresses.join()
  if (!same) await ledger.setSelf({ addresses, hostName, version: skeinVersion })
}

interface FrontDoorSetting {
  config: Config
  logger: Logger
  tls: ReloadableTls
  opened: Opened
  listeners: Listener[]
  drainMs(): number
  hostName: string
}

async function openFrontDoors(
  setting: FrontDoorSetting,
  delivery: Delivery,
  parts: Pick<Parameters<typeof createImapServer>[0], 'mailboxes' | 'log' | 'authenticator'>,
): Promise<void> {
  const { config, logger, tls, opened, hostName } = setting
  const { mailboxes, log, authenticator } = parts
  const smtp = createSmtpServer(
    { intake: delivery.intake, authenticator, clock, random, logger: logger.child({ part: 'smtp' }), tls },
    {
      hostName,
      bareLineEnds: config.smtp['bare-line-ends'],
      messageBytesMax: config.smtp['message-bytes-max'],
      recipientsMax: config.smtp['recipients-max'],
      connectionsMax: config.smtp['connections-max'],
      connectionsPerAddressMax: config.smtp['connections-per-address-max'],
      commandTimeoutMs: config.smtp['command-timeout-seconds'] * 1000,
      trustedAddresses: config.smtp.trusted,
    },
  )
  const imap = createImapServer(
    { mailboxes, log, authenticator, clock, random, logger: logger.child({ part: 'imap' }), tls },
    {
      version: skeinVersion,
      limits: {
        connectionsMax: config.imap['connections-max'],
        connectionsPerAddressMax: config.imap['connections-per-address-max'],
        literalBytesMax: config.imap['literal-bytes-max'],
      },
    },
  )
  const pop3 = createPop3Server(
    { mailboxes, authenticator, clock, random, logger: logger.child({ part: 'pop3' }), tls },
    {
      hostName,
      connectionsMax: config.pop3['connections-max'],
      connectionsPerAddressMax: config.pop3['connections-per-address-max'],
    },
  )
  opened.add('front doors', () =>
    Promise.all([smtp, imap, pop3].map((door) => door.close({ drainMs: setting.drainMs() }))),
  )

  const host = config.bind === '' ? '::' : config.bind
  const open = async (
    service: Exclude<Listener['service'], 'mesh'>,
    listen: (port: number) => Promise<{ port: number }>,
  ) => {
    const port = portChosen(config, service)
    if (port === false) return
    try {
      setting.listeners.push({ service, address: host, port: (await listen(port)).port })
    } catch (cause) {
      throw listenError(service, host, port, cause)
    }
  }
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
}

type FrontDoor = Exclude<Listener['service'], 'mesh'>

/** False: off. */
function portChosen(config: Config, service: FrontDoor): number | false {
  const chosen = config.listen[service as keyof Config['listen']]
  return chosen ?? (service === 'lmtp' ? false : portOf(config.profile, service))
}

function listIfAny<Name extends string>(name: Name, list: string[]): { [Key in Name]?: string[] } {
  return list.length > 0 ? ({ [name]: list } as { [Key in Name]: string[] }) : {}
}

function isWildcard(bind: string): boolean {
  return bind === '' || bind === '0.0.0.0' || bind === '::'
}

function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((entry) => entry.address))
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
          : String((cause as Error).message)
  return new SkeinError('cannot-listen', 'refused', `${service} can't listen on ${host} port ${port}: ${why}`, cause)
}

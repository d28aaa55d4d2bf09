// One node: everything is made here, started in order, and stopped in the opposite order. Wiring only; no rules.
import { createHmac } from 'node:crypto'
import { createAuthenticator, createPatientLink } from '@skein/accounts'
import { SrsSecretKeeper, createDelivery, deliveryLimits } from '@skein/delivery'
import { createMailboxes } from '@skein/mailboxes'
import { type Mesh, createMesh, createSigner } from '@skein/mesh'
import { type Ledger, createLedger } from '@skein/replication'
import { type Logger, SkeinError, sleep, systemClock as clock, systemRandom as random } from '@skein/runtime'
import { createTextIndex } from '@skein/search'
import {
  Database,
  checkStore,
  createAccountStore,
  createLedgerStore,
  createMailboxStore,
  createQueueStore,
  createStoreUpkeep,
  createDeadAddressStore,
  createTraceStore,
  openMessageLog,
} from '@skein/storage'
import { acmeSettings } from './acme/acme-settings.ts'
import { createHttpChallenges } from './acme/http-challenges.ts'
import { allAdministrators, announceAdministrators, createAdministrators } from './administrators.ts'
import { createCertificates } from './certificates.ts'
import type { Config } from './config.ts'
import { sendConflictNotices } from './conflict-notices.ts'
import { listenForControl } from './control/server.ts'
import type { Listener } from './control/status-view.ts'
import { type DataDirectory, readNodeKey } from './data-directory.ts'
import { openDoor } from './door.ts'
import { type FrontDoors, openFrontDoors } from './front-doors.ts'
import { createHomeMailboxes } from './home-mailboxes.ts'
import { openHttpDoor } from './http-door.ts'
import { openLetterExamination } from './letter-examination.ts'
import { openReports } from './reports.ts'
import { announceSelf, announceServices, meshListeners, meshSettings } from './mesh-presence.ts'
import { settledHostName } from './node-names.ts'
import { Opened } from './opened.ts'
import { certificateNames, renameOwnCertificate } from './own-certificate.ts'
import { openOutsideWay, openResolver } from './outside-way.ts'
import { answerPeers, runOperation } from './operations/index.ts'
import type { NodeParts } from './operations/operation.ts'
import { sharedSecrets } from './shared-secrets.ts'
import { loadTlsMaterial } from './tls-files.ts'
import { announceKeys, settleKeys } from './tls-keys.ts'

export interface RunningNode {
  name: string
  nodeId: string
  listeners: Listener[]
  /** Takes no new work, finishes what is under way within `drainMs`, writes and closes everything. */
  stop(drainMs: number): Promise<void>
  /** Reads the certificate files again. */
  reloadTls(): void
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
  const acme = acmeSettings(config)
  settleKeys(paths)
  const tls = loadTlsMaterial({
    cert: config.tls.cert || paths.tlsCert,
    key: config.tls.key || paths.tlsKey,
    clientAuthorities: config.tls['client-authorities'],
  })
  const { database, log, ...stores } = await openStores(paths, logger, opened)
  const { ledger, mesh } = await joinPeers(paths, config, database, logger, opened)
  const resolver = openResolver(config, logger)
  const { directory } = ledger
  const name = directory.node(ledger.self)?.name ?? ledger.self
  const domains = directory.domains().map((domain) => domain.name)
  const others = directory.nodes().filter((node) => node.id !== ledger.self)
  const said = directory.node(ledger.self)?.hostName ?? ''
  const hostName =
    config['host-name'] ||
    settledHostName(
      name,
      domains,
      said,
      others.map((node) => node.hostName),
    )

  const names = certificateNames(config.bind, hostName, domains)
  if (config.tls.cert === '' && (await renameOwnCertificate(paths, hostName, names))) {
    tls.reload()
    logger.info({ names }, 'the self-made certificate was made again for the names that this node has now')
  }

  const textIndex = createTextIndex(
    { log, clock, logger: logger.child({ part: 'search' }) },
    { directory: paths.search, accounts: config.search.accounts },
  )
  const ownMailboxes = createMailboxes({ store: stores.mailboxes, log, clock, random, logger, follower: textIndex })
  const mailboxes = createHomeMailboxes(ownMailboxes, stores.accounts, directory)
  opened.add('mailboxes', () => mailboxes.close())
  opened.add('search', () => textIndex.close())
  const door = await openDoor({ config, ledger, mesh, database, resolver, logger, opened })
  const authenticator = createAuthenticator(
    {
      directory,
      accounts: stores.accounts,
      link: createPatientLink(mesh, clock),
      clock,
      random,
      logger,
      sharedFailures: door.loginFailures,
      decoySecret: createHmac('sha256', readNodeKey(paths)).update('skein decoy salts').digest(),
    },
    { takesCertificates: config.tls['client-authorities'] !== '' },
  )
  opened.add('log-ins', () => authenticator.idle())
  const administrators = createAdministrators(stores.accounts, () =>
    announceAdministrators(ledger, administrators.list(), logger),
  )
  const srsSecrets = new SrsSecretKeeper(
    { shared: sharedSecrets(ledger), clock, random, logger: logger.child({ part: 'delivery' }) },
    deliveryLimits,
  )
  const { reports, accepted } = openReports({
    config,
    database,
    log,
    ledger,
    dns: resolver,
    hostName,
    logger,
    post: (letter) => delivery.post(letter),
  })
  const outside = openOutsideWay(config, { log, database, resolver, journal: reports.tls, hostName, logger })
  opened.add('outside courier', () => outside.close())
  const examination = openLetterExamination({
    paths,
    config,
    ledger,
    dns: resolver,
    hostName,
    journal: reports.dmarc,
    logger,
    opened,
  })
  const delivery = createDelivery(
    {
      queue: stores.queue,
      trace: createTraceStore(database),
      deadAddresses: createDeadAddressStore(database),
      log,
      directory,
      mailboxes,
      link: mesh,
      outside,
      examiner: examination.examiner,
      accepted,
      entrances: authenticator,
      spentElsewhere: door.spentElsewhere,
      clock,
      random,
      logger: logger.child({ part: 'delivery' }),
    },
    {
      hostName,
      administrators: () => allAdministrators(directory, administrators.list()),
      srsSecrets: () => srsSecrets.secrets(),
      messageBytesMax: config.smtp['message-bytes-max'],
      recipientsMax: config.smtp['recipients-max'],
      outsidePerMinute: config.outside['letters-per-minute'],
      userLettersPerHourMax: config.smtp['user-letters-per-hour-max'],
      userRecipientsPerHourMax: config.smtp['user-recipients-per-hour-max'],
      userRecipientsPerDayMax: config.smtp['user-recipients-per-day-max'],
    },
  )
  sendConflictNotices(ledger, delivery, administrators, { hostName, clock, logger })
  const listeners = meshListeners(mesh)
  const challenges = createHttpChallenges({ directory, link: mesh, clock, logger: logger.child({ part: 'acme' }) })
  const announceOwnKeys = announceKeys(ledger, tls, paths, logger)
  const certificates = createCertificates(
    {
      paths,
      tls,
      ledger,
      resolver,
      httpProver: challenges.prover,
      clock,
      random,
      logger: logger.child({ part: 'acme' }),
      announceKeys: announceOwnKeys,
    },
    acme,
    { hostName },
  )
  let doors: FrontDoors | undefined
  const parts: NodeParts = {
    administrators,
    ledger,
    mesh,
    accounts: stores.accounts,
    mailboxes,
    delivery,
    dkim: examination.keys,
    reports,
    doorkeeper: door.doorkeeper,
    clock,
    logger,
    startedMs,
    listeners: () => listeners,
    endSessions(address) {
      authenticator.forget()
      doors?.dismiss(address)
    },
    check: () => checkStore({ database, log, clock }),
    certificates,
  }
  answerPeers(parts)
  await announceSelf(ledger, mesh, config, hostName)
  await delivery.start()
  opened.add('delivery', () => delivery.stop())
  await reports.start()
  opened.add('reports', () => reports.stop())
  srsSecrets.start()
  opened.add('secrets', () => srsSecrets.stop())
  administrators.read().catch((error: unknown) => {
    logger.error({ error: String(error) }, 'the accounts could not be read for their roles')
  })
  const upkeep = createStoreUpkeep({ database, log, queue: stores.queue, clock, logger })
  upkeep.start()
  opened.add('upkeep', () => upkeep.stop())

  doors = await openFrontDoors({ config, logger, tls, opened, listeners, drainMs: () => drainMs, hostName }, delivery, {
    mailboxes,
    textIndex,
    log,
    authenticator,
    doorkeeper: door.doorkeeper,
    directory,
    streams: mesh,
    redeem: (from, protocol, ticket) => authenticator.redeem(from, protocol, ticket),
  })
  await openHttpDoor({ config, logger, tls, opened, listeners, drainMs: () => drainMs, hostName }, parts, doors, [
    challenges.route,
  ])
  await announceServices(ledger, listeners)
  examination.keys.start().catch((error: unknown) => {
    logger.error({ error: String(error) }, 'there are no keys to sign letters with')
  })
  await announceOwnKeys()
  certificates.start()
  opened.add('certificates', () => certificates.stop())
  await textIndex.start(ownMailboxes)
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

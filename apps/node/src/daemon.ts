// One node: everything is made here, started in order, and stopped in the opposite order. Wiring only; no rules.
// Made in `ground.ts` (stores, ledger, mesh), here (mailboxes, log-ins), `mail-flow.ts` (delivery), `front-doors.ts`.
import { createHmac } from 'node:crypto'
import { type NodeAuthenticator, createAuthenticator, createPatientLink } from '@skein/accounts'
import { createMailboxes } from '@skein/mailboxes'
import { type Logger, systemClock as clock, systemRandom as random } from '@skein/runtime'
import { createTextIndex } from '@skein/search'
import { checkStore, createStoreUpkeep } from '@skein/storage'
import { acmeSettings } from './acme/acme-settings.ts'
import { createHttpChallenges } from './acme/http-challenges.ts'
import { announceAdministrators, createAdministrators } from './administrators.ts'
import { createCertificates } from './certificates.ts'
import type { Config } from './config.ts'
import { sendConflictNotices } from './conflict-notices.ts'
import { listenForControl } from './control/server.ts'
import type { Listener } from './control/status-view.ts'
import { type DataDirectory, readNodeKey } from './data-directory.ts'
import { type NodeDoor, openDoor } from './door.ts'
import { type FrontDoors, openFrontDoors } from './front-doors.ts'
import { type Ground, openGround } from './ground.ts'
import { createHomeMailboxes } from './home-mailboxes.ts'
import { openHttpDoor } from './http-door.ts'
import { type MailFlow, openMailFlow } from './mail-flow.ts'
import { announceSelf, announceServices, meshListeners } from './mesh-presence.ts'
import { Opened } from './opened.ts'
import { answerPeers, runOperation } from './operations/index.ts'
import type { NodeParts } from './operations/operation.ts'
import { announceKeys } from './tls-keys.ts'

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
  const ground = await openGround(paths, config, logger, opened)
  const { database, log, stores, ledger, mesh, tls, hostName } = ground
  const { textIndex, ownMailboxes, mailboxes } = openMailboxes(ground)
  const door = await openDoor(ground)
  const authenticator = openLogIns(ground, door)
  const administrators = createAdministrators(stores.accounts, () =>
    announceAdministrators(ledger, administrators.list(), logger),
  )
  const flow = openMailFlow(ground, {
    mailboxes,
    administrators,
    entrances: authenticator,
    spentElsewhere: door.spentElsewhere,
  })
  const { delivery, reports, examination } = flow
  sendConflictNotices(ledger, delivery, administrators, { hostName, clock, logger })
  const listeners = meshListeners(mesh)
  const { challenges, announceOwnKeys, certificates } = openCertificates(ground, acme)
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
  await startMailFlow(ground, flow)
  administrators.read().catch((error: unknown) => {
    logger.error({ error: String(error) }, 'the accounts could not be read for their roles')
  })
  const upkeep = createStoreUpkeep({ database, log, queue: stores.queue, clock, logger })
  upkeep.start()
  opened.add('upkeep', () => upkeep.stop())

  const setting = { config, logger, tls, opened, listeners, drainMs: () => drainMs, hostName }
  doors = await openFrontDoors(setting, delivery, {
    mailboxes,
    textIndex,
    log,
    authenticator,
    doorkeeper: door.doorkeeper,
    directory: ledger.directory,
    streams: mesh,
    redeem: (from, protocol, ticket) => authenticator.redeem(from, protocol, ticket),
  })
  await openHttpDoor(setting, parts, doors, [challenges.route])
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
    name: ground.name,
    nodeId: ledger.self,
    listeners,
    reloadTls: () => tls.reload(),
    async stop(limitMs) {
      drainMs = limitMs
      await opened.closeAll()
    },
  }
}

function openMailboxes({ paths, config, log, stores, ledger, logger, opened }: Ground) {
  const textIndex = createTextIndex(
    { log, clock, logger: logger.child({ part: 'search' }) },
    { directory: paths.search, accounts: config.search.accounts },
  )
  const ownMailboxes = createMailboxes({ store: stores.mailboxes, log, clock, random, logger, follower: textIndex })
  const mailboxes = createHomeMailboxes(ownMailboxes, stores.accounts, ledger.directory)
  opened.add('mailboxes', () => mailboxes.close())
  opened.add('search', () => textIndex.close())
  return { textIndex, ownMailboxes, mailboxes }
}

function openLogIns(
  { paths, config, stores, ledger, mesh, logger, opened }: Ground,
  door: NodeDoor,
): NodeAuthenticator {
  const authenticator = createAuthenticator(
    {
      directory: ledger.directory,
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
  return authenticator
}

function openCertificates(
  { paths, tls, ledger, mesh, resolver, hostName, logger: nodeLogger }: Ground,
  acme: ReturnType<typeof acmeSettings>,
) {
  const logger = nodeLogger.child({ part: 'acme' })
  const challenges = createHttpChallenges({ directory: ledger.directory, link: mesh, clock, logger })
  const announceOwnKeys = announceKeys(ledger, tls, paths, nodeLogger)
  const certificates = createCertificates(
    {
      paths,
      tls,
      ledger,
      resolver,
      httpProver: challenges.prover,
      clock,
      random,
      logger,
      announceKeys: announceOwnKeys,
    },
    acme,
    { hostName },
  )
  return { challenges, announceOwnKeys, certificates }
}

async function startMailFlow({ opened }: Ground, { delivery, reports, srsSecrets }: MailFlow): Promise<void> {
  await delivery.start()
  opened.add('delivery', () => delivery.stop())
  await reports.start()
  opened.add('reports', () => reports.stop())
  srsSecrets.start()
  opened.add('secrets', () => srsSecrets.stop())
}

// What everything else of a node stands on: its certificate, its stores, the ledger and the mesh, the names it goes by.
import { type Ledger, createLedger } from '@skein/replication'
import { type Mesh, createMesh, createSigner } from '@skein/mesh'
import type { AccountStore } from '@skein/accounts'
import type { QueueStore } from '@skein/delivery'
import type { MailboxStore } from '@skein/mailboxes'
import {
  type DnsResolver,
  type Logger,
  SkeinError,
  sleep,
  systemClock as clock,
  systemRandom as random,
} from '@skein/runtime'
import {
  Database,
  createAccountStore,
  createLedgerStore,
  createMailboxStore,
  createQueueStore,
  type DiskMessageLog,
  openMessageLog,
} from '@skein/storage'
import type { Config } from './config.ts'
import { type DataDirectory, readNodeKey } from './data-directory.ts'
import { meshSettings } from './mesh-presence.ts'
import { settledHostName } from './node-names.ts'
import type { Opened } from './opened.ts'
import { openResolver } from './outside-way.ts'
import { certificateNames, renameOwnCertificate } from './own-certificate.ts'
import { loadTlsMaterial } from './tls-files.ts'
import { settleKeys } from './tls-keys.ts'

export interface Ground {
  paths: DataDirectory
  config: Config
  logger: Logger
  /** Closed in the opposite order. */
  opened: Opened
  tls: ReturnType<typeof loadTlsMaterial>
  database: Database
  log: DiskMessageLog
  stores: { accounts: AccountStore; mailboxes: MailboxStore; queue: QueueStore }
  ledger: Ledger
  mesh: Mesh
  resolver: DnsResolver
  /** In the mesh. */
  name: string
  /** In mail. */
  hostName: string
}

export async function openGround(
  paths: DataDirectory,
  config: Config,
  logger: Logger,
  opened: Opened,
): Promise<Ground> {
  settleKeys(paths)
  const tls = loadTlsMaterial({
    cert: config.tls.cert || paths.tlsCert,
    key: config.tls.key || paths.tlsKey,
    clientAuthorities: config.tls['client-authorities'],
  })
  const database = await Database.open(paths.database)
  opened.add('database', () => database.close())
  const log = await openMessageLog(paths.messages, { clock, logger })
  opened.add('message log', () => log.close())
  const stores = {
    accounts: createAccountStore(database),
    mailboxes: createMailboxStore(database),
    queue: createQueueStore(database),
  }
  const { ledger, mesh } = await joinPeers(paths, config, database, logger, opened)
  const resolver = openResolver(config, logger)
  const { name, hostName, domains } = namesOf(ledger, config)
  const names = certificateNames(config.bind, hostName, domains)
  if (config.tls.cert === '' && (await renameOwnCertificate(paths, hostName, names))) {
    tls.reload()
    logger.info({ names }, 'the self-made certificate was made again for the names that this node has now')
  }
  return { paths, config, logger, opened, tls, database, log, stores, ledger, mesh, resolver, name, hostName }
}

function namesOf({ directory, self }: Ledger, config: Config): { name: string; hostName: string; domains: string[] } {
  const own = directory.node(self)
  const name = own?.name ?? self
  const domains = directory.domains().map((domain) => domain.name)
  const others = directory.nodes().filter((node) => node.id !== self)
  const hostNames = others.map((node) => node.hostName)
  const hostName = config['host-name'] || settledHostName(name, domains, own?.hostName ?? '', hostNames)
  return { name, hostName, domains }
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

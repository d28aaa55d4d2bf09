// The door of this node: what the mesh knows of those who knock, and the doorkeeper who acts on it.
import type { SharedLoginFailures } from '@skein/accounts'
import {
  type DoorLimits,
  type OperatedDoorkeeper,
  createDoorkeeper,
  createJudgement,
  createSharedLoginFailures,
  createSpentElsewhere,
  createSubjectHash,
  parseDnsList,
} from '@skein/filtering'
import type { SpentElsewhere } from '@skein/delivery'
import type { Mesh } from '@skein/mesh'
import type { Ledger } from '@skein/replication'
import { type DnsResolver, type Logger, createAddressSet, systemClock as clock } from '@skein/runtime'
import { type Database, createJudgementStore } from '@skein/storage'
import type { Config } from './config.ts'
import type { Opened } from './opened.ts'

export interface NodeDoor {
  doorkeeper: OperatedDoorkeeper
  loginFailures: SharedLoginFailures
  spentElsewhere: SpentElsewhere
}

export interface DoorSetting {
  config: Config
  ledger: Ledger
  mesh: Mesh
  database: Database
  resolver: DnsResolver
  logger: Logger
  opened: Opened
}

export async function openDoor(setting: DoorSetting): Promise<NodeDoor> {
  const { config, ledger, mesh, database, resolver, opened } = setting
  const logger = setting.logger.child({ part: 'door' })
  const { directory } = ledger
  let members = new Set(directory.nodes().map(({ id }) => id))
  const judgement = createJudgement({
    store: createJudgementStore(database, { logger }),
    link: mesh,
    clock,
    logger,
    isMember: (id) => members.has(id),
  })
  await judgement.start()
  opened.add('judgement', () => judgement.stop())
  directory.onChange(() => {
    const now = new Set(directory.nodes().map(({ id }) => id))
    const someoneLeft = [...members].some((id) => !now.has(id))
    members = now
    if (someoneLeft) judgement.membersChanged()
  })
  const hash = createSubjectHash(ledger.meshId ?? '')
  const isTrusted = createAddressSet(config.smtp.trusted)
  const doorkeeper = createDoorkeeper(
    {
      judgement,
      resolver,
      clock,
      logger,
      hash,
      rules: { all: () => ledger.doorRules(), onChange: (listener) => directory.onChange(listener) },
    },
    {
      isTrusted,
      greylist: config.door.greylist,
      withoutName: config.door['without-name'],
      lists: config.door.lists.map((list) => parseDnsList(list)),
      listedFrom: config.door['listed-from'],
      limits: limitsOf(config.door),
    },
  )
  opened.add('door', () => doorkeeper.close())
  return {
    doorkeeper,
    loginFailures: createSharedLoginFailures({ judgement, clock, hash, isTrusted }),
    spentElsewhere: createSpentElsewhere({ judgement, clock }),
  }
}

function limitsOf(door: Config['door']): Partial<DoorLimits> {
  return {
    greylistPauseMs: door['greylist-pause-seconds'] * 1000,
    sessionsPerAddressMax: door['sessions-per-address-max'],
    connectionsPerAddressPer10MinMax: door['connections-per-address-max'],
    lettersPerAddressPerHourMax: door['letters-per-address-max'],
    recipientsPerAddressPerHourMax: door['recipients-per-address-max'],
    unknownRecipientsPerHourMax: door['unknown-recipients-max'],
    banFirstMs: door['ban-seconds'] * 1000,
    lettersPerRecipientPerHourMax: door['letters-per-recipient-max'],
  }
}

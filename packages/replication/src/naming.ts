// Everything about names put together: this node as a registrar and as a claimant, its own users, and what is to be given back.
import type { NodeId } from '@skein/runtime'
import type { HybridClock } from './hybrid-clock.ts'
import type { LedgerComponents } from './ledger-components.ts'
import type { LedgerSettings } from './limits.ts'
import type { UserMap } from './map/user-map.ts'
import { Claimant } from './registrar/claimant.ts'
import { Intents } from './registrar/intents.ts'
import { Registrar } from './registrar/registrar.ts'
import type { NameView } from './registrar/registrar.ts'
import { Releases } from './registrar/releases.ts'
import type { Streams } from './streams/streams.ts'
import { EntryWriter } from './users/entry-writer.ts'
import { HomeUsers } from './users/home-users.ts'

export interface NamingComponents extends LedgerComponents {
  time: HybridClock
  streams: Streams
  map: UserMap
  view: NameView
  /** @throws SkeinError `bad-address`, `no-such-domain` */
  checkAddress(address: string): void
  nodeOfShortId(short: string): NodeId | undefined
  /** Asks on the `own` service. Rejects when that node can't be reached. */
  ask(to: NodeId, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array>
}

export interface Naming {
  registrar: Registrar
  intents: Intents
  releases: Releases
  users: HomeUsers
}

export function createNaming(components: NamingComponents, settings: LedgerSettings): Naming {
  const { view, ask, store, signer, clock, random, logger, time, streams, map } = components
  const self = signer.nodeId
  const registrar = new Registrar({ store, signer, clock, view }, settings.claimsSignedSinglyMax)
  const intents = new Intents(store)
  const releases = new Releases({
    self,
    store,
    logger,
    intents,
    registrar,
    isMember: view.isMember,
    isOwnEntry: (address, accountId) =>
      map.claimsOn(address).some(({ owner, value }) => owner === self && value.accountId === accountId),
    ask: (to, payload) => ask(to, payload, settings.requestTimeoutMs),
  })
  const { registrarsOf, meshId } = view
  const claimant = new Claimant({ self, clock, random, logger, registrar, registrarsOf, meshId, ask }, settings)
  const writer = new EntryWriter({
    time,
    streams,
    map,
    intents,
    dropOwnPromises: (names) => registrar.release(self, names),
  })
  const { checkAddress, nodeOfShortId } = components
  const users = new HomeUsers(
    {
      self,
      store,
      clock,
      random,
      time,
      streams,
      map,
      intents,
      claimant,
      writer,
      registrarsOf,
      checkAddress,
      nodeOfShortId,
      isAlias: view.isAlias,
    },
    settings,
  )
  return { registrar, intents, releases, users }
}

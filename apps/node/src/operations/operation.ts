// An operator's act is a value in a table: its parameters, who may ask for it, where it is carried out, what it does.
import type { AccountStore } from '@skein/accounts'
import type { Delivery } from '@skein/delivery'
import type { OperatedDoorkeeper } from '@skein/filtering'
import { canonicalAddress } from '@skein/mail'
import type { Mailboxes } from '@skein/mailboxes'
import type { Mesh } from '@skein/mesh'
import type { Ledger } from '@skein/replication'
import type { Reports } from '@skein/reports'
import { type Clock, type Logger, type NodeId, SkeinError } from '@skein/runtime'
import type { z } from 'zod'
import type { Administrators } from '../administrators.ts'
import type { Certificates } from '../certificates.ts'
import type { Listener } from '../control/status-view.ts'

/** What operations act on. */
export interface NodeParts {
  administrators: Administrators
  ledger: Ledger
  mesh: Mesh
  accounts: AccountStore
  mailboxes: Mailboxes
  delivery: Delivery
  reports: Reports
  doorkeeper: OperatedDoorkeeper
  clock: Clock
  logger: Logger
  startedMs: number
  listeners(): Listener[]
  /** What an account's password opened is closed: logins remembered in memory, sessions under way. */
  endSessions(address: string): void
  check(): Promise<unknown>
  certificates: Certificates
}

export interface Operation<Params = never> {
  name: string
  params: z.ZodType<Params>
  /** Another admin's node may ask for it over the mesh. */
  fromPeers: boolean
  /** The node that carries it out; undefined: this one. */
  at?(parts: NodeParts, params: Params): NodeId | undefined
  run(parts: NodeParts, params: Params, asker: NodeId): Promise<unknown>
}

/** Keeps the parameters' type inside one row while the table holds rows of all kinds. */
export function operation<Params>(row: Operation<Params>): Operation {
  return row as unknown as Operation
}

/** As people type it, in the one spelling by which the mesh knows it. @throws SkeinError `bad-address` */
export function addressGiven(text: string): string {
  const address = canonicalAddress(text.trim())
  if (address === undefined) throw new SkeinError('bad-address', 'refused', `"${text}" is not a mail address`)
  return address
}

/** @throws SkeinError `no-such-node` */
export function nodeByName(parts: NodeParts, name: string): NodeId {
  const found = parts.ledger.directory.nodes().find((node) => node.name === name || node.id === name)
  if (!found) throw new SkeinError('no-such-node', 'refused', `there is no node "${name}" in this mesh`)
  return found.id
}

export function nameOfNode(parts: NodeParts, id: NodeId): string {
  return parts.ledger.directory.node(id)?.name ?? id
}

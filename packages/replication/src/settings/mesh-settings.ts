// The shared document: domains, aliases and what admins say of nodes, from anywhere. Small, so it is held in memory as a whole.
// Keys: `domain/<name>`, `alias/<address>`, `door/<subject>`, `node/<id>/<field>`, `secret/<purpose>/<id>`; values are CBOR, and fields that are
// not known here stay.
import type { DomainRecord, MtaStsMode } from '@skein/accounts'
import { decodeCbor, encodeCbor } from '@skein/runtime'
import type { CborValue, NodeId } from '@skein/runtime'
import type { DomainSettings, DoorRule, MeshSecret, NodeSettings } from '../ledger-api.ts'
import type { StreamName } from '../ports.ts'
import type { Changes } from '../streams/documents.ts'
import type { Projection, ProjectionPlan } from '../streams/projection.ts'
import { bytesOf, countOf, decodeMap, textListOf } from '../wire/fields.ts'
import type { CborMap } from '../wire/fields.ts'

export const domainKey = (name: string): string => `domain/${name}`
export const aliasKey = (address: string): string => `alias/${address}`
export const doorKey = (subject: string): string => `door/${subject}`
export const secretKey = (purpose: string, id: string): string => `secret/${purpose}/${id}`
export const nodeFieldKey = (id: NodeId, field: string): string => `node/${id}/${field}`

/** With the fields that it had before, known here or not. */
export function encodeDomain(settings: DomainSettings, before: Uint8Array | undefined): Uint8Array {
  let fields: CborMap = {}
  try {
    if (before) fields = decodeMap(before)
  } catch {
    fields = {}
  }
  return encodeCbor({ policy: 'auto', replicas: 1, ...fields, ...settings })
}

export function encodeAlias(targets: readonly string[]): Uint8Array {
  return encodeCbor({ targets })
}

export function encodeSecret(key: Uint8Array, madeMs: number): Uint8Array {
  return encodeCbor({ key, madeMs })
}

function decodeSecret(id: string, bytes: Uint8Array): MeshSecret | undefined {
  try {
    const { key, madeMs } = decodeMap(bytes)
    return { id, key: bytesOf(key, 'key'), madeMs: countOf(madeMs, 'time') }
  } catch {
    return undefined
  }
}

const isMtaStsMode = (value: unknown): value is MtaStsMode =>
  value === 'none' || value === 'testing' || value === 'enforce'

function decodeDomain(name: string, bytes: Uint8Array): DomainRecord | undefined {
  try {
    const { policy, replicas, catchAll, aliasOf, mtaSts } = decodeMap(bytes)
    return {
      name,
      policy: policy === 'strict' || policy === 'local' ? policy : 'auto',
      replicas: typeof replicas === 'number' && Number.isInteger(replicas) && replicas >= 0 ? replicas : 1,
      ...(typeof catchAll === 'string' && catchAll !== '' && { catchAll }),
      ...(typeof aliasOf === 'string' && aliasOf !== '' && { aliasOf }),
      ...(isMtaStsMode(mtaSts) && { mtaSts }),
    }
  } catch {
    return undefined
  }
}

function decodeAlias(bytes: Uint8Array): string[] | undefined {
  try {
    return textListOf(decodeMap(bytes)['targets'], 'targets')
  } catch {
    return undefined
  }
}

/** With the fields that it had before and that are not known here. */
export function encodeDoorRule({ list, reason, untilMs }: DoorRule, before: Uint8Array | undefined): Uint8Array {
  let fields: CborMap = {}
  try {
    if (before) fields = decodeMap(before)
  } catch {
    fields = {}
  }
  return encodeCbor({ ...fields, list, reason, until: untilMs })
}

function decodeDoorRule(subject: string, bytes: Uint8Array): DoorRule | undefined {
  try {
    const { list, reason, until } = decodeMap(bytes)
    if (list !== 'block' && list !== 'allow') return undefined
    return {
      subject,
      list,
      reason: typeof reason === 'string' ? reason : '',
      untilMs: typeof until === 'number' && Number.isFinite(until) ? until : null,
    }
  } catch {
    return undefined
  }
}

type FieldReaders = { [Field in keyof Required<NodeSettings>]: (value: CborValue) => NodeSettings[Field] | undefined }

const asText = (value: CborValue) => (typeof value === 'string' ? value : undefined)
const asFlag = (value: CborValue) => (typeof value === 'boolean' ? value : undefined)

const readers: FieldReaders = {
  name: asText,
  description: asText,
  region: asText,
  enabled: asFlag,
  relay: asFlag,
  priority: (value) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined),
  allow: (value) => {
    const texts = Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined
    return texts?.length === (value as CborValue[]).length ? texts : undefined
  },
}

function readField(field: string, bytes: Uint8Array): NodeSettings {
  const read = Object.hasOwn(readers, field) ? readers[field as keyof NodeSettings] : undefined
  if (!read) return {}
  try {
    const value = read(decodeCbor(bytes))
    return value === undefined ? {} : { [field]: value }
  } catch {
    return {}
  }
}

export class MeshSettings implements Projection {
  readonly domains = new Map<string, DomainRecord>()
  readonly aliases = new Map<string, readonly string[]>()
  readonly doorRules = new Map<string, DoorRule>()
  readonly nodes = new Map<NodeId, NodeSettings>()
  /** By `<purpose>/<id>`. */
  readonly #secrets = new Map<string, MeshSecret>()
  readonly #onChange: () => void

  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  secretsFor(purpose: string): MeshSecret[] {
    const found = [...this.#secrets].filter(([name]) => name.startsWith(`${purpose}/`)).map(([, secret]) => secret)
    return found.sort((a, b) => b.madeMs - a.madeMs || (a.id < b.id ? -1 : 1))
  }

  async change(_stream: StreamName, changes: Changes): Promise<ProjectionPlan> {
    return this.#plan(() => this.#take(changes))
  }

  async replace(_stream: StreamName, contents: Iterable<[string, Uint8Array]>): Promise<ProjectionPlan> {
    const whole = new Map<string, Uint8Array | undefined>(contents)
    return this.#plan(() => {
      this.domains.clear()
      this.aliases.clear()
      this.nodes.clear()
      this.#secrets.clear()
      this.#take(whole)
    })
  }

  #plan(take: () => void): ProjectionPlan {
    return {
      ops: [],
      entriesDelta: 0,
      applied: () => {
        take()
        this.#onChange()
      },
    }
  }

  #take(changes: Changes): void {
    for (const [key, value] of changes) {
      const [kind, name = '', field = ''] = splitKey(key)
      if (kind === 'domain') setOrDelete(this.domains, name, value && decodeDomain(name, value))
      else if (kind === 'alias') setOrDelete(this.aliases, name, value && decodeAlias(value))
      else if (kind === 'door') setOrDelete(this.doorRules, name, value && decodeDoorRule(name, value))
      else if (kind === 'secret') {
        setOrDelete(this.#secrets, name, value && decodeSecret(name.slice(name.indexOf('/') + 1), value))
      } else if (kind === 'node') {
        const { [field as keyof NodeSettings]: _old, ...others } = this.nodes.get(name) ?? {}
        this.nodes.set(name, { ...others, ...(value ? readField(field, value) : {}) })
      }
    }
  }
}

/** An alias's local part may hold slashes; a node id never does. */
function splitKey(key: string): string[] {
  const slash = key.indexOf('/')
  const kind = key.slice(0, slash)
  const rest = key.slice(slash + 1)
  if (kind !== 'node') return [kind, rest]
  const field = rest.indexOf('/')
  return [kind, rest.slice(0, field), rest.slice(field + 1)]
}

function setOrDelete<Value>(map: Map<string, Value>, key: string, value: Value | undefined): void {
  if (value === undefined) map.delete(key)
  else map.set(key, value)
}

export function encodeNodeField(value: NonNullable<NodeSettings[keyof NodeSettings]>): Uint8Array {
  return encodeCbor(value)
}

// What each node says of itself, in its own `node` document: one key for each field, CBOR values.
import { decodeCbor, encodeCbor } from '@skein/runtime'
import type { CborValue, NodeId } from '@skein/runtime'
import type { NodeProfile, SelfFields } from '../ledger-api.ts'
import type { StreamName } from '../ports.ts'
import type { Changes } from '../streams/documents.ts'
import type { Projection, ProjectionPlan } from '../streams/projection.ts'

export const nodeDocument = 'node'

const isPort = (value: CborValue | undefined) => Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536
const asText = (value: CborValue) => (typeof value === 'string' && value.length <= 1024 ? value : undefined)

const readers: { [Field in keyof Required<NodeProfile>]: (value: CborValue) => NodeProfile[Field] | undefined } = {
  name: asText,
  region: asText,
  hostName: asText,
  version: asText,
  witness: (value) => (typeof value === 'boolean' ? value : undefined),
  capacity: (value) => (typeof value === 'number' && value > 0 ? value : undefined),
  addresses: (value) => {
    const texts = Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined
    return texts?.length === (value as CborValue[]).length ? texts.slice(0, 32) : undefined
  },
  services: (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
      return undefined
    const ports = Object.entries(value).filter(([, port]) => isPort(port)) as [string, number][]
    return Object.fromEntries(ports.filter(([service]) => /^[a-z0-9]{1,32}$/.test(service)).slice(0, 32))
  },
  dkim: (value) => {
    if (!Array.isArray(value)) return undefined
    return value.slice(0, 8).flatMap((item) => {
      if (typeof item !== 'object' || item === null || Array.isArray(item) || item instanceof Uint8Array) return []
      const { selector, record } = item
      const isWhole = typeof selector === 'string' && typeof record === 'string'
      return isWhole && /^[a-z0-9-]{1,63}$/.test(selector) && record.length <= 1024 ? [{ selector, record }] : []
    })
  },
  administrators: (value) => {
    const isAddress = (item: CborValue) => typeof item === 'string' && item.length <= 320 && item.includes('@')
    return Array.isArray(value) && value.every(isAddress) ? (value.slice(0, 64) as string[]) : undefined
  },
  tlsKeys: (value) => {
    const isDigest = (item: CborValue) => typeof item === 'string' && /^[0-9a-f]{64}$/.test(item)
    return Array.isArray(value) && value.every(isDigest) ? (value.slice(0, 8) as string[]) : undefined
  },
  authority: (value) => (typeof value === 'string' && /^[a-z0-9.-]{0,253}$/.test(value) ? value : undefined),
}

/** The keys and values that say these fields. */
export function encodeSelf(fields: SelfFields): Changes {
  const changes: Changes = new Map()
  for (const [field, value] of Object.entries(fields)) {
    if (value !== undefined && Object.hasOwn(readers, field)) changes.set(field, encodeCbor(value))
  }
  return changes
}

function readField(field: string, bytes: Uint8Array): SelfFields {
  const read = Object.hasOwn(readers, field) ? readers[field as keyof NodeProfile] : undefined
  if (!read) return {}
  try {
    const value = read(decodeCbor(bytes))
    return value === undefined ? {} : { [field]: value }
  } catch {
    return {}
  }
}

export class NodeDocuments implements Projection {
  readonly #fields = new Map<NodeId, SelfFields>()
  readonly #onChange: (id: NodeId) => void

  constructor(onChange: (id: NodeId) => void) {
    this.#onChange = onChange
  }

  fieldsOf(id: NodeId): SelfFields {
    return this.#fields.get(id) ?? {}
  }

  async change({ author }: StreamName, changes: Changes): Promise<ProjectionPlan> {
    return this.#plan(author, () => ({ ...this.#fields.get(author), ...fieldsIn(changes) }))
  }

  async replace({ author }: StreamName, contents: Iterable<[string, Uint8Array]>): Promise<ProjectionPlan> {
    const fields = fieldsIn(contents)
    return this.#plan(author, () => fields)
  }

  #plan(author: NodeId, fields: () => SelfFields): ProjectionPlan {
    return {
      ops: [],
      entriesDelta: 0,
      applied: () => {
        this.#fields.set(author, fields())
        this.#onChange(author)
      },
    }
  }
}

function fieldsIn(contents: Iterable<[string, Uint8Array | undefined]>): SelfFields {
  const fields: SelfFields = {}
  for (const [field, bytes] of contents) if (bytes) Object.assign(fields, readField(field, bytes))
  return fields
}

// The table of operations and the one way through it: find, check parameters, carry out here or at the node that can.
import { type NodeId, SkeinError, decodeCbor, encodeCbor } from '@skein/runtime'
import { dnsOperations } from './dns-operations.ts'
import { doorOperations } from './door-operations.ts'
import { mailOperations } from './mail-operations.ts'
import { meshOperations } from './mesh-operations.ts'
import { type NodeParts, type Operation, nameOfNode } from './operation.ts'
import { reportOperations } from './report-operations.ts'
import { tlsOperations } from './tls-operations.ts'
import { userOperations } from './user-operations.ts'

const operations = [
  ...meshOperations,
  ...userOperations,
  ...mailOperations,
  ...dnsOperations,
  ...tlsOperations,
  ...doorOperations,
  ...reportOperations,
]
const table = new Map<string, Operation>(operations.map((row) => [row.name, row]))

const remoteTimeoutMs = 60_000

function find(name: string): Operation {
  const row = table.get(name)
  if (!row) throw new SkeinError('no-such-operation', 'refused', `this node does not know the operation "${name}"`)
  return row
}

function checked(row: Operation, params: unknown): never {
  const result = row.params.safeParse(params ?? {})
  if (result.success) return result.data
  const wrong = result.error.issues.map(({ path, message }) => `${path.join('.') || 'the parameters'}: ${message}`)
  throw new SkeinError('bad-parameters', 'refused', wrong.join('; '))
}

/** What the owner of this node asks for over the control socket. */
export async function runOperation(parts: NodeParts, name: string, params: unknown): Promise<unknown> {
  const row = find(name)
  const valid = checked(row, params)
  const place = row.at?.(parts, valid)
  if (place === undefined || place === parts.ledger.self) return row.run(parts, valid, parts.ledger.self)
  try {
    const reply = await parts.mesh.request(place, 'admin', encodeCbor({ op: name, params }), {
      timeoutMs: remoteTimeoutMs,
    })
    return decodeCbor(reply)
  } catch (error) {
    if (!(error instanceof SkeinError) || error.code !== 'peer-unreachable') throw error
    const node = nameOfNode(parts, place)
    throw new SkeinError(
      'node-unreachable',
      'temporary',
      `${node}, where this must be done, is not reachable now; try again when it is back`,
      error,
    )
  }
}

/** What another node asks for over the mesh: only admins' nodes, only operations that are meant for it, only here. */
export function answerPeers(parts: NodeParts): void {
  parts.mesh.handle('admin', async (from: NodeId, payload) => {
    const { op, params } = decodeCbor(payload) as { op?: unknown; params?: unknown }
    const row = find(typeof op === 'string' ? op : '')
    const member = parts.ledger.members().find((one) => one.id === from)
    if (!row.fromPeers || member?.role !== 'admin') {
      throw new SkeinError('not-permitted', 'refused', 'that node may not ask for this here')
    }
    parts.logger.info({ from, op }, 'an operation was asked for by another node')
    return encodeCbor((await row.run(parts, checked(row, params), from)) ?? null)
  })
}

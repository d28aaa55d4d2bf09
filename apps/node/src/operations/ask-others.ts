// One question to every other member of the mesh, for what each node knows only of itself.
import { type CborValue, decodeCbor, encodeCbor } from '@skein/runtime'
import type { NodeParts } from './operation.ts'

const answerTimeoutMs = 3_000

/** Asks every other member; those that do not answer in time are named. */
export async function askOthers(parts: NodeParts, op: string, params: CborValue) {
  const { ledger, mesh } = parts
  const others = ledger.directory.nodes().filter((node) => node.id !== ledger.self)
  const silent: string[] = []
  const answers = await Promise.all(
    others.map(async (node) => {
      try {
        const reply = await mesh.request(node.id, 'admin', encodeCbor({ op, params }), { timeoutMs: answerTimeoutMs })
        return [{ node: node.name, answer: decodeCbor(reply) }]
      } catch {
        silent.push(node.name)
        return []
      }
    }),
  )
  return { answers: answers.flat(), silent }
}

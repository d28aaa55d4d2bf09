// Nodes of one mesh and a domain outside that takes mail from some of their addresses only; counts what it has taken.
import { sleep, type NodeId } from '@skein/runtime'
import { MeshFixture } from './mesh-fixture.ts'
import type { DeliveryResult } from './ports.ts'

export type Answer = Pick<DeliveryResult, 'kind' | 'code' | 'status' | 'text'>

export const blocked: Answer = {
  kind: 'permanent',
  code: 554,
  status: '5.7.1',
  text: 'RCPT TO: 554 Service unavailable; Client host blocked using zen.spamhaus.org',
}
export const silent: Answer = { kind: 'temporary', code: 451, status: '4.4.1', text: 'connect ECONNREFUSED' }
export const greylisted: Answer = { kind: 'temporary', code: 451, status: '4.7.1', text: 'RCPT TO: 451 Greylisted' }
export const unknownUser: Answer = { kind: 'permanent', code: 550, status: '5.1.1', text: 'RCPT TO: 550 User unknown' }
export const taken: Answer = { kind: 'delivered', code: 250, status: '2.0.0', text: 'taken' }

export interface HandOverFixture {
  mesh: MeshFixture
  /** What each node's address hears, at each asking; default: taken. */
  says: Map<NodeId, Answer | (() => Answer)>
  /** Who asked, in order: `<node> <recipient>`. */
  asked: string[]
  /** Who got it in: `<node> <recipient>`, and when. */
  took: { by: NodeId; recipient: string; atMs: number }[]
  send(to?: string | readonly string[], body?: string): Promise<{ queueId: string }>
  /** How long the domain thinks before it answers. */
  mind: { answerMs: number }
}

export const plain = 'From: aaa@test.com\r\nSubject: x\r\nMessage-ID: <w1@test.com>\r\n\r\nhello\r\n'

/** aaa lives on bj; peers hk (priority 10), tw (20) and sg (30). */
export async function fourNodes(...settings: ConstructorParameters<typeof MeshFixture>): Promise<HandOverFixture> {
  const mesh = new MeshFixture(...settings)
  const says: HandOverFixture['says'] = new Map()
  const asked: string[] = []
  const took: HandOverFixture['took'] = []
  const mind = { answerMs: 20 }
  mesh.outside = async ({ recipients }, destination, node) => {
    const domain = destination.kind === 'outside' ? destination.domain : ''
    const said = says.get(node) ?? taken
    const answer = typeof said === 'function' ? said() : said
    for (const { address } of recipients) asked.push(`${node} ${address}`)
    const life = mesh.node(node).queue
    await sleep(mesh.clock, mind.answerMs)
    // Whoever asked has died, and the connection with him.
    if (mesh.nodes.get(node)?.queue !== life) return new Promise(() => {})
    const atMs = mesh.clock.nowMs()
    if (answer.kind === 'delivered')
      for (const { address } of recipients) took.push({ by: node, recipient: address, atMs })
    return recipients.map(() => ({ ...answer, atMs, courier: 'outside', hop: `mx.${domain}` }))
  }
  for (const id of ['bj', 'hk', 'tw', 'sg']) await mesh.start(id)
  priority(mesh, 'hk', 10)
  priority(mesh, 'tw', 20)
  priority(mesh, 'sg', 30)
  await mesh.account('aaa@test.com', 'bj')
  await mesh.account('bbb@test.com', 'hk')
  return {
    mesh,
    says,
    asked,
    took,
    mind,
    send: (to = 'x@example.org', body = plain) =>
      mesh.accept('bj', 'aaa@test.com', typeof to === 'string' ? [to] : to, body, mesh.submitter('aaa@test.com')),
  }
}

export function priority(mesh: MeshFixture, node: NodeId, value: number): void {
  change(mesh, node, { priority: value })
}

export function change(
  mesh: MeshFixture,
  node: NodeId,
  settings: { priority?: number; enabled?: boolean; relay?: boolean },
): void {
  const record = mesh.map.nodes.get(node)
  if (record) Object.assign(record, settings)
  mesh.map.changed()
}

/** Letters of all nodes that are not finished. */
export function unfinished(mesh: MeshFixture): number {
  return [...mesh.nodes.values()].reduce((sum, node) => sum + node.delivery.stats().letters, 0)
}

// The MTA-STS policy of a domain (RFC 8461 §3.2), made from what every node knows: the same text and id on each of them.
import { createHash } from 'node:crypto'
import type { MtaStsMode, NodeRecord } from '@skein/accounts'
import { serving } from '../dns/zone.ts'

/** A mistake in `testing` is to be over soon; an attacker must keep up `enforce` for long. */
const maxAgeSeconds: Record<MtaStsMode, number> = { none: 86_400, testing: 86_400, enforce: 1_209_600 }

export interface MtaStsPolicy {
  mode: MtaStsMode
  /** The body of `/.well-known/mta-sts.txt`. */
  text: string
  /** RFC 8461 §3.1: changes exactly when the text does. */
  id: string
}

export function mtaStsPolicy(mode: MtaStsMode, nodes: readonly NodeRecord[]): MtaStsPolicy {
  const hosts = [...new Set(serving(nodes, 'smtp').map(({ hostName }) => hostName))].sort()
  const lines = [
    'version: STSv1',
    `mode: ${mode}`,
    ...hosts.map((host) => `mx: ${host}`),
    `max_age: ${maxAgeSeconds[mode]}`,
  ]
  const text = `${lines.join('\r\n')}\r\n`
  return { mode, text, id: createHash('sha256').update(text).digest('hex').slice(0, 32) }
}

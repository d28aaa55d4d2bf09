// `https://mta-sts.<domain>/.well-known/mta-sts.txt` (RFC 8461 §3.3), on every node for every domain of the mesh.
import type { DomainRecord, NodeRecord } from '@skein/accounts'
import { canonicalDomain } from '@skein/mail'
import { type HttpApp, type HttpRoute, textResponse } from '../http-app.ts'
import { mtaStsPolicy } from './policy.ts'

export interface MtaStsFacts {
  /** `name` in canonical form. */
  domain(name: string): Pick<DomainRecord, 'mtaSts'> | undefined
  nodes(): readonly NodeRecord[]
}

export function mtaStsRoutes(facts: MtaStsFacts): HttpRoute[] {
  const app: HttpApp = (request) => {
    const host = canonicalDomain(new URL(request.url).hostname) ?? ''
    const domain = host.startsWith('mta-sts.') ? facts.domain(host.slice('mta-sts.'.length)) : undefined
    if (domain === undefined) return textResponse(404, 'no MTA-STS policy belongs to this host name')
    const { text } = mtaStsPolicy(domain.mtaSts ?? 'testing', facts.nodes())
    return new Response(text, { headers: { 'content-type': 'text/plain', 'cache-control': 'no-cache' } })
  }
  return [{ path: '/.well-known/mta-sts.txt', methods: ['GET'], app }]
}

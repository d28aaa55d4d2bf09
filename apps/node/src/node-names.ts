// How a node is called and reached: its host name in mail, its multiaddr in the mesh.
import { isIP } from 'node:net'

export function hostNameOf(nodeName: string, domains: string[]): string {
  return domains[0] === undefined ? nodeName.toLowerCase() : `${nodeName.toLowerCase()}.${domains[0]}`
}

/**
 * The host name of a node that runs: what it has said of itself before, as long as that is in a domain of the mesh, so that
 * certificates and DNS stay true when domains come and go; else in the domain that the other nodes' names are in.
 */
export function settledHostName(nodeName: string, domains: string[], said: string, others: readonly string[]): string {
  if (domains.some((domain) => hostNameOf(nodeName, [domain]) === said)) return said
  const shared = domains.find((domain) => others.some((host) => host.endsWith(`.${domain}`)))
  return hostNameOf(nodeName, shared === undefined ? domains : [shared])
}

export function meshAddress(ip: string, port: number): string {
  return `/${isIP(ip) === 6 ? 'ip6' : 'ip4'}/${ip}/tcp/${port}`
}

// How a node is called and reached: its host name in mail, its multiaddr in the mesh.
import { isIP } from 'node:net'

export function hostNameOf(nodeName: string, domains: string[]): string {
  return domains[0] === undefined ? nodeName.toLowerCase() : `${nodeName.toLowerCase()}.${domains[0]}`
}

export function meshAddress(ip: string, port: number): string {
  return `/${isIP(ip) === 6 ? 'ip6' : 'ip4'}/${ip}/tcp/${port}`
}

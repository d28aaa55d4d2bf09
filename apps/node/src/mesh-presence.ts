// Where this node listens for other nodes, and what it tells them of itself.
import type { Mesh, MeshSettings } from '@skein/mesh'
import type { Ledger } from '@skein/replication'
import { isLoopback } from '@skein/runtime'
import type { Config } from './config.ts'
import type { Listener } from './control/status-view.ts'
import { meshAddress } from './node-names.ts'
import { portOf } from './profile.ts'
import { skeinVersion } from './version.ts'

export function meshSettings(config: Config): Partial<MeshSettings> {
  const { mesh } = config
  const port = mesh.port ?? portOf(config.profile, 'mesh')
  const hosts = config.bind === '' ? ['0.0.0.0', '::'] : [config.bind]
  return {
    listenAddresses: hosts.map((host) => meshAddress(host, port)),
    announceAddresses: mesh.announce.map((address) => announced(address, port)),
    connectTimeoutMs: mesh['connect-timeout-seconds'] * 1000,
    backlog: mesh.backlog,
    inboundConnectionsMax: mesh['inbound-max'],
    outboundConnectionsMax: mesh['outbound-max'],
    serve: mesh.serve,
    connect: mesh.connect,
    suspectAfterMs: mesh['suspect-after-seconds'] * 1000,
    secondFactor: mesh.user === '' ? null : { user: mesh.user, password: mesh.password },
  }
}

/** An IP address, a host name, or a multiaddr already. */
function announced(text: string, port: number): string {
  if (text.startsWith('/')) return text
  return /^[\d.]+$|:/.test(text) ? meshAddress(text, port) : `/dns/${text}/tcp/${port}`
}

export function meshListeners(mesh: Mesh): Listener[] {
  return mesh.listenAddresses().flatMap((address) => {
    const [, , ip, , port] = address.split('/')
    return ip && port ? [{ service: 'mesh' as const, address: ip, port: Number(port) }] : []
  })
}

/** Bound to every interface, a node is reached by others on any but its loopback ones; with no others, on those. */
export function reachable(addresses: string[]): string[] {
  const fromOutside = addresses.filter((address) => !isLoopback(address.split('/')[2] ?? ''))
  return fromOutside.length > 0 ? fromOutside : addresses
}

/** Says in this node's own document where it can be reached now, when that differs from what it said before. */
export async function announceSelf(ledger: Ledger, mesh: Mesh, config: Config, hostName: string): Promise<void> {
  const own = ledger.directory.node(ledger.self)
  const port = config.mesh.port ?? portOf(config.profile, 'mesh')
  const addresses =
    config.mesh.announce.length > 0
      ? config.mesh.announce.map((address) => announced(address, port))
      : reachable(mesh.listenAddresses())
  const same = own?.hostName === hostName && own.version === skeinVersion && own.addresses.join() === addresses.join()
  if (!same) await ledger.setSelf({ addresses, hostName, version: skeinVersion })
}

/** On which ports people and other mail systems are served here: what clients of any node are told of this one. */
export async function announceServices(ledger: Ledger, listeners: readonly Listener[]): Promise<void> {
  const ports = listeners.filter(({ service }) => service !== 'mesh' && service !== 'lmtp')
  const services = Object.fromEntries(ports.map(({ service, port }) => [service as string, port]))
  const said = ledger.directory.node(ledger.self)?.services ?? {}
  const keys = new Set([...Object.keys(said), ...Object.keys(services)])
  if ([...keys].some((service) => said[service] !== services[service])) await ledger.setSelf({ services })
}

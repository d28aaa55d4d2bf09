// HTTP and HTTPS: which apps answer there, with what they are told of this node. Later apps (JMAP, webmail, console) are routes here.
import {
  type DiscoveryFacts,
  type HttpRoute,
  createHttpServer,
  discoveryRoutes,
  healthRoutes,
  homeRoutes,
  httpLimits,
  mtaStsRoutes,
} from '@skein/admin'
import { systemClock as clock } from '@skein/runtime'
import { type FrontDoorSetting, type FrontDoors, listeningHost, openListener } from './front-doors.ts'
import { nodeMetrics } from './metrics.ts'
import type { NodeParts } from './operations/operation.ts'

export async function openHttpDoor(
  setting: FrontDoorSetting,
  parts: NodeParts,
  doors: FrontDoors,
  more: readonly HttpRoute[],
): Promise<void> {
  const { config, logger, tls, opened } = setting
  let isReady = true
  const metrics = () => nodeMetrics(parts, { ...doors.connections(), http: server.connections() }, server.answers())
  const routes: HttpRoute[] = [
    ...healthRoutes({ isReady: () => isReady, metrics }, { metricsToken: config.http['metrics-token'] }),
    ...discoveryRoutes({ facts: () => discoveryFacts(parts), clock }, httpLimits),
    ...more,
    ...mtaStsRoutes(parts.ledger.directory),
    ...homeRoutes({ facts: () => discoveryFacts(parts) }, httpLimits),
  ]
  const requestTimeoutMs = config.http['request-timeout-seconds'] * 1000
  const server = createHttpServer(
    { tls, clock, logger: logger.child({ part: 'http' }) },
    {
      routes,
      connectionsMax: config.http['connections-max'],
      connectionsPerAddressMax: config.http['connections-per-address-max'],
      requestTimeoutMs,
      headerTimeoutMs: requestTimeoutMs / 4,
      trustedAddresses: config.smtp.trusted,
    },
  )
  opened.add('HTTP', () => {
    isReady = false
    return server.close({ drainMs: setting.drainMs() })
  })
  const host = listeningHost(config)
  await Promise.all([
    openListener(setting, 'http', (port) => server.listen({ host, port, mode: 'plain' })),
    openListener(setting, 'https', (port) => server.listen({ host, port, mode: 'tls' })),
  ])
}

function discoveryFacts({ ledger, mesh }: NodeParts): DiscoveryFacts {
  const { directory, self } = ledger
  const up = new Set(mesh.connected())
  return {
    self,
    nodes: directory.nodes(),
    isUp: (id) => up.has(id),
    hasDomain: (name) => directory.domain(name) !== undefined,
    domains: () => directory.domains().map(({ name }) => name),
  }
}

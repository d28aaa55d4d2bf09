// What /metrics tells of this node: counters that its parts keep anyway.
import type { Metric } from '@skein/admin'
import type { NodeParts } from './operations/operation.ts'
import { skeinVersion } from './version.ts'

export function nodeMetrics(
  { ledger, mesh, delivery, certificates, startedMs }: NodeParts,
  connections: Record<string, number>,
  answers: ReadonlyMap<string, number>,
): Metric[] {
  const { directory } = ledger
  const nodes = directory.nodes()
  const peersUp = mesh.connected().length
  const queue = delivery.stats()
  const cpu = process.cpuUsage()
  const certificate = certificates.view()
  const gauge = (name: string, help: string, value: number): Metric => ({
    name,
    help,
    type: 'gauge',
    values: [{ value }],
  })
  return [
    {
      name: 'skein_info',
      help: 'This node.',
      type: 'gauge',
      values: [{ labels: { version: skeinVersion, node: directory.node(ledger.self)?.name ?? '' }, value: 1 }],
    },
    {
      name: 'skein_connections',
      help: 'Connections that stand now.',
      type: 'gauge',
      values: Object.entries(connections).map(([door, value]) => ({ labels: { door }, value })),
    },
    {
      name: 'skein_http_responses_total',
      help: 'Answers given over HTTP.',
      type: 'counter',
      values: [...answers].map(([code, value]) => ({ labels: { code }, value })),
    },
    gauge('skein_queue_letters', 'Letters that wait to be delivered from here.', queue.letters),
    gauge('skein_queue_recipients', 'Recipients for whom letters wait.', queue.recipients),
    gauge('skein_queue_bytes', 'Bytes of the letters that wait.', queue.bytes),
    {
      name: 'skein_peers',
      help: 'Other nodes of the mesh.',
      type: 'gauge',
      values: [
        { labels: { state: 'up' }, value: peersUp },
        { labels: { state: 'down' }, value: Math.max(0, nodes.length - 1 - peersUp) },
      ],
    },
    gauge(
      'skein_certificate_end_seconds',
      'End of the certificate in use, since the Unix epoch.',
      certificate.notAfterMs / 1000,
    ),
    gauge(
      'skein_certificate_failures',
      'Orders in a row of which no certificate came.',
      certificate.acme?.failures ?? 0,
    ),
    gauge('skein_users', 'Users of the whole mesh.', directory.count()),
    gauge('skein_domains', 'Domains of the whole mesh.', directory.domains().length),
    {
      name: 'process_cpu_seconds_total',
      help: 'CPU time of this node.',
      type: 'counter',
      values: [{ value: (cpu.user + cpu.system) / 1e6 }],
    },
    gauge('process_resident_memory_bytes', 'Memory of this node.', process.memoryUsage.rss()),
    gauge('process_start_time_seconds', 'When this node started, since the Unix epoch.', startedMs / 1000),
    gauge('skein_uptime_seconds', 'How long this node has been running.', process.uptime()),
  ]
}

// What /metrics tells of this node: counters that its parts keep anyway.
import type { Metric } from '@skein/admin'
import type { DoorStats } from '@skein/filtering'
import type { NodeParts } from './operations/operation.ts'
import { skeinVersion } from './version.ts'

function gauge(name: string, help: string, value: number): Metric {
  return { name, help, type: 'gauge', values: [{ value }] }
}

function doorMetrics({ visits, refused, tarpit, bans, records }: DoorStats): Metric[] {
  return [
    {
      name: 'skein_door_visits_total',
      help: 'SMTP sessions of addresses that are not trusted.',
      type: 'counter',
      values: [{ value: visits }],
    },
    {
      name: 'skein_door_refused_total',
      help: 'What was refused at the door, by reason.',
      type: 'counter',
      values: Object.entries(refused).map(([reason, value]) => ({ labels: { reason }, value })),
    },
    {
      name: 'skein_door_tarpitted_total',
      help: 'Replies that came late on purpose.',
      type: 'counter',
      values: [{ value: tarpit.entered }],
    },
    gauge('skein_door_tarpit_sessions', 'Sessions that wait for such a reply now.', tarpit.waiting),
    gauge('skein_door_bans', 'Addresses that are sent away now, at every node.', bans),
    gauge('skein_door_records', 'What all nodes know of those who knock.', records),
  ]
}

export function nodeMetrics(
  { ledger, mesh, delivery, doorkeeper, certificates, startedMs }: NodeParts,
  connections: Record<string, number>,
  answers: ReadonlyMap<string, number>,
): Metric[] {
  const { directory } = ledger
  const nodes = directory.nodes()
  const peersUp = mesh.connected().length
  const queue = delivery.stats()
  const cpu = process.cpuUsage()
  const certificate = certificates.view()
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
    ...doorMetrics(doorkeeper.stats()),
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

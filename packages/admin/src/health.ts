// /healthz for load balancers and watchers; /metrics in the text format that Prometheus reads.
import { createHash, timingSafeEqual } from 'node:crypto'
import { type HttpApp, type HttpRoute, isFromThisMachine, textResponse } from './http-app.ts'

export interface Metric {
  /** snake_case, with its unit last; `_total` for one that only grows. */
  name: string
  help: string
  type: 'gauge' | 'counter'
  values: { labels?: Record<string, string>; value: number }[]
}

export interface HealthParts {
  isReady(): boolean
  metrics(): Metric[]
}

export interface HealthSettings {
  /** Whoever has it may read /metrics from anywhere; '': only this machine may. */
  metricsToken: string
}

export function healthRoutes(parts: HealthParts, settings: HealthSettings): HttpRoute[] {
  const health: HttpApp = () =>
    parts.isReady()
      ? textResponse(200, 'ok', { 'cache-control': 'no-store' })
      : textResponse(503, 'stopping', { 'cache-control': 'no-store' })
  const metrics: HttpApp = (request, peer) => {
    if (!isFromThisMachine(request, peer) && !hasToken(request, settings.metricsToken)) {
      return settings.metricsToken === ''
        ? textResponse(403, 'metrics are only for this machine (see http.metrics-token)')
        : textResponse(401, 'metrics need the bearer token', { 'www-authenticate': 'Bearer' })
    }
    return new Response(formatMetrics(parts.metrics()), {
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
    })
  }
  return [
    { path: '/healthz', methods: ['GET'], app: health },
    { path: '/metrics', methods: ['GET'], app: metrics },
  ]
}

function hasToken(request: Request, token: string): boolean {
  const given = /^Bearer +(.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  if (token === '' || given === undefined) return false
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(token))
}

/** Prometheus exposition format 0.0.4. */
export function formatMetrics(metrics: readonly Metric[]): string {
  const escapeLabel = (text: string) => text.replace(/[\\"\n]/g, (one) => (one === '\n' ? '\\n' : `\\${one}`))
  const lines = metrics.flatMap(({ name, help, type, values }) => [
    `# HELP ${name} ${help.replace(/[\\\n]/g, ' ')}`,
    `# TYPE ${name} ${type}`,
    ...values.map(({ labels, value }) => {
      const pairs = Object.entries(labels ?? {}).map(([key, text]) => `${key}="${escapeLabel(text)}"`)
      return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`
    }),
  ])
  return `${lines.join('\n')}\n`
}

// One function over all routes: finds the app, refuses wrong methods, gives every answer the headers that no page should lack.
import { type Context, Hono } from 'hono'
import type { Http2Bindings, HttpBindings } from '@hono/node-server'
import type { Logger } from '@skein/runtime'
import { type HttpRoute, peerOf, takesPath, textResponse } from './http-app.ts'

export type FrontEnv = { Bindings: HttpBindings | Http2Bindings }

export interface AnswerCounts {
  /** Answers given so far, by the first digit of their status. */
  readonly byClass: ReadonlyMap<string, number>
}

export interface Front {
  hono: Hono<FrontEnv>
  counts: AnswerCounts
}

const guardHeaders: Record<string, string> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  // A page that needs more says so itself.
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
}

export function createFront(routes: readonly HttpRoute[], logger: Logger): Front {
  const byClass = new Map<string, number>()
  const finish = (response: Response): Response => {
    const kind = `${Math.floor(response.status / 100)}xx`
    byClass.set(kind, (byClass.get(kind) ?? 0) + 1)
    for (const [name, value] of Object.entries(guardHeaders)) {
      if (!response.headers.has(name)) response.headers.set(name, value)
    }
    return response
  }
  const hono = new Hono<FrontEnv>()
  hono.all('*', async (context: Context<FrontEnv>) => finish(await answer(routes, context)))
  hono.onError((error) => {
    logger.error({ error: error.stack ?? error.message }, 'an HTTP request failed')
    return finish(textResponse(500, 'an internal error; the log of this node says more'))
  })
  return { hono, counts: { byClass } }
}

function answer(routes: readonly HttpRoute[], context: Context<FrontEnv>): Response | Promise<Response> {
  const request = context.req.raw
  const { pathname } = new URL(request.url)
  const here = routes.filter((route) => takesPath(route, pathname))
  if (here.length === 0) return textResponse(404, 'there is nothing here')
  // RFC 9110 §9.3.2: wherever GET is answered, HEAD is.
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const route = here.find(({ methods }) => methods.includes(method))
  if (route) return route.app(request, peerOf(context.env))
  const allowed = [...new Set(here.flatMap(({ methods }) => methods))]
  if (allowed.includes('GET')) allowed.push('HEAD')
  if (method === 'OPTIONS') return new Response(null, { status: 204, headers: { allow: allowed.join(', ') } })
  return textResponse(405, `use ${allowed.join(' or ')}`, { allow: allowed.join(', ') })
}

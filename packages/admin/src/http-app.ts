// What one concern of the HTTP front door is: a function from a Request, and what is known of its connection, to a Response.
import type { Http2Bindings, HttpBindings } from '@hono/node-server'
import { isLoopback, plainAddress } from '@skein/runtime'

/** The connection on which a request came. */
export interface HttpPeer {
  remoteAddress: string
  /** The address and port of this node that the client chose. */
  localAddress: string
  localPort: number
  isSecure: boolean
}

export type HttpApp = (request: Request, peer: HttpPeer) => Response | Promise<Response>

/** The first route that takes a path answers it. */
export interface HttpRoute {
  /** `/healthz` is that path alone; `/jmap/*` is `/jmap/` and all below it. */
  path: string
  /** Outlook writes /Autodiscover/Autodiscover.xml in several ways. */
  ignoreCase?: boolean
  methods: readonly string[]
  app: HttpApp
}

export function peerOf({ incoming }: HttpBindings | Http2Bindings): HttpPeer {
  const { socket } = incoming
  return {
    remoteAddress: plainAddress(socket.remoteAddress ?? ''),
    localAddress: plainAddress(socket.localAddress ?? ''),
    localPort: socket.localPort ?? 0,
    isSecure: 'encrypted' in socket,
  }
}

/** From this machine itself, and not passed on by a web server that stands in front. */
export function isFromThisMachine(request: Request, peer: HttpPeer): boolean {
  const isPassedOn = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some((name) => request.headers.has(name))
  return isLoopback(peer.remoteAddress) && !isPassedOn
}

export function takesPath(route: HttpRoute, path: string): boolean {
  const [own, asked] = route.ignoreCase ? [route.path.toLowerCase(), path.toLowerCase()] : [route.path, path]
  return own.endsWith('/*') ? asked.startsWith(own.slice(0, -1)) : asked === own
}

/** One plain sentence, for people and programs that read no further. */
export function textResponse(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(`${text}\n`, { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers } })
}

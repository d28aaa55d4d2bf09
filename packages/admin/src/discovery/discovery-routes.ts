// How clients set themselves up: Thunderbird's autoconfig, Outlook's autodiscover, Apple's profiles. Every address of a domain
// of the mesh gets the same answer whether or not the user exists; other domains get 404.
import type { Clock } from '@skein/runtime'
import { type HttpApp, type HttpPeer, type HttpRoute, textResponse } from '../http-app.ts'
import { readText } from '../read-text.ts'
import { domainOfAddress, domainOfHost, typedAddress } from './asked-address.ts'
import { autoconfigDocument } from './autoconfig.ts'
import {
  type AutodiscoverFault,
  autodiscoverDocument,
  autodiscoverFault,
  outlookSchema,
  readAutodiscoverRequest,
} from './autodiscover.ts'
import { type DiscoveryFacts, type MailService, hostsFor, mailService } from './mail-service.ts'
import { mobileconfigDocument } from './mobileconfig.ts'

export interface DiscoveryParts {
  facts(): DiscoveryFacts
  clock: Clock
}

export interface DiscoverySettings {
  nodesListedMax: number
  discoveryBodyBytesMax: number
}

const noDomain = 'this mesh serves no such domain'
const xmlType = { 'content-type': 'text/xml; charset=utf-8', 'cache-control': 'no-cache' }

export function discoveryRoutes(parts: DiscoveryParts, settings: DiscoverySettings): HttpRoute[] {
  const serviceOf = (domain: string, url: URL, peer: HttpPeer): MailService => {
    const facts = parts.facts()
    return mailService(domain, facts, hostsFor(url.hostname, peer.localAddress, facts.self), settings.nodesListedMax)
  }
  const autoconfig = autoconfigApp(parts, serviceOf)
  const pox = autodiscoverApp(parts, serviceOf, settings)
  const json = autodiscoverJsonApp(parts)
  return [
    { path: '/mail/config-v1.1.xml', methods: ['GET'], app: autoconfig },
    { path: '/.well-known/autoconfig/mail/config-v1.1.xml', methods: ['GET'], app: autoconfig },
    { path: '/autodiscover/autodiscover.xml', ignoreCase: true, methods: ['GET', 'POST'], app: pox },
    { path: '/autodiscover/autodiscover.json', ignoreCase: true, methods: ['GET'], app: json },
    { path: '/autodiscover/autodiscover.json/*', ignoreCase: true, methods: ['GET'], app: json },
    { path: '/mobileconfig', methods: ['GET'], app: mobileconfigApp(parts, serviceOf) },
  ]
}

type ServiceOf = (domain: string, url: URL, peer: HttpPeer) => MailService

/** The first of these query parameters, whatever the case of its name. */
function parameter(url: URL, ...names: string[]): string | undefined {
  for (const [key, value] of url.searchParams) if (names.includes(key.toLowerCase())) return value
  return undefined
}

function autoconfigApp(parts: DiscoveryParts, serviceOf: ServiceOf): HttpApp {
  return (request, peer) => {
    const url = new URL(request.url)
    const asked = parameter(url, 'emailaddress')
    const address = typedAddress(asked)
    if (asked !== undefined && asked !== '' && address === undefined) {
      return textResponse(400, 'emailaddress is not a mail address')
    }
    const facts = parts.facts()
    const domain = address === undefined ? domainOfHost(url.hostname, facts) : domainOfAddress(address, facts)
    if (domain === undefined) return textResponse(404, noDomain)
    return new Response(autoconfigDocument(serviceOf(domain, url, peer)), { headers: xmlType })
  }
}

function autodiscoverApp(parts: DiscoveryParts, serviceOf: ServiceOf, settings: DiscoverySettings): HttpApp {
  const fault = (status: number, kind: AutodiscoverFault) =>
    new Response(autodiscoverFault(kind, parts.clock.nowMs()), { status, headers: xmlType })
  return async (request, peer) => {
    const url = new URL(request.url)
    let asked = parameter(url, 'email', 'emailaddress')
    if (request.method === 'POST') {
      const body = await readText(request, settings.discoveryBodyBytesMax)
      if (body === undefined) return textResponse(413, 'this request is too large')
      const read = readAutodiscoverRequest(body)
      if (read.schema !== undefined && read.schema !== outlookSchema) return fault(200, 'unknown-schema')
      asked = read.address
    } else if (asked === undefined && !peer.isSecure) {
      return toTls(url, parts.facts())
    }
    const address = typedAddress(asked)
    if (address === undefined) return fault(request.method === 'POST' ? 400 : 200, 'bad-request')
    const domain = domainOfAddress(address, parts.facts())
    if (domain === undefined) return fault(404, 'unknown-address')
    return new Response(autodiscoverDocument(serviceOf(domain, url, peer), address), { headers: xmlType })
  }
}

/** [MS-OXDISCO] §3.1.5.4: Outlook asks in clear, without an address, only to be sent to the place that it may trust. */
function toTls(url: URL, facts: DiscoveryFacts): Response {
  const port = facts.nodes.find(({ id }) => id === facts.self)?.services?.['https']
  if (port === undefined) return textResponse(404, 'this node has no HTTPS')
  const location = `https://${url.hostname}${port === 443 ? '' : `:${port}`}/autodiscover/autodiscover.xml`
  return textResponse(302, location, { location })
}

/** The newer form says only where the XML is; of all protocols, Outlook's own "AutodiscoverV1" alone leads to IMAP. */
function autodiscoverJsonApp(parts: DiscoveryParts): HttpApp {
  const answer = (status: number, body: Record<string, string>) => Response.json(body, { status })
  return (request) => {
    const url = new URL(request.url)
    const last = decodedTail(url.pathname)
    const address = typedAddress(parameter(url, 'email') ?? last)
    const protocol = parameter(url, 'protocol')
    if (address === undefined || protocol === undefined) {
      const ErrorMessage = 'A valid value must be provided for the query parameters Email and Protocol'
      return answer(400, { ErrorCode: 'MandatoryParameterMissing', ErrorMessage })
    }
    const facts = parts.facts()
    if (domainOfAddress(address, facts) === undefined) {
      return answer(404, { ErrorCode: 'UserNotFound', ErrorMessage: noDomain })
    }
    if (protocol.toLowerCase() !== 'autodiscoverv1') {
      const ErrorMessage = 'Supported protocol: AutodiscoverV1'
      return answer(404, { ErrorCode: 'InvalidProtocol', ErrorMessage })
    }
    const https = facts.nodes.find(({ id }) => id === facts.self)?.services?.['https']
    const origin = https === undefined ? url.origin : `https://${url.hostname}${https === 443 ? '' : `:${https}`}`
    return answer(200, { Protocol: 'AutodiscoverV1', Url: `${origin}/autodiscover/autodiscover.xml` })
  }
}

/** `/autodiscover/autodiscover.json/v1.0/aaa@test.com` */
function decodedTail(path: string): string | undefined {
  try {
    return decodeURIComponent(path.slice(path.lastIndexOf('/') + 1))
  } catch {
    return undefined
  }
}

function mobileconfigApp(parts: DiscoveryParts, serviceOf: ServiceOf): HttpApp {
  return (request, peer) => {
    const url = new URL(request.url)
    const address = typedAddress(parameter(url, 'emailaddress', 'email'))
    if (address === undefined) return textResponse(400, 'say for whom: /mobileconfig?emailaddress=name@domain')
    const domain = domainOfAddress(address, parts.facts())
    if (domain === undefined) return textResponse(404, noDomain)
    const profile = mobileconfigDocument(serviceOf(domain, url, peer), address)
    if (profile === undefined) return textResponse(404, 'no node of this mesh offers both reading and sending')
    return new Response(profile, {
      headers: {
        'content-type': 'application/x-apple-aspen-config; charset=utf-8',
        'content-disposition': `attachment; filename="${domain}.mobileconfig"`,
        'cache-control': 'no-cache',
      },
    })
  }
}

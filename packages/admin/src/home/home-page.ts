// The page at `/` until the webmail stands there: what this node is, and how to set up a mail program. No script, no cookie,
// nothing from elsewhere.
import { createHash } from 'node:crypto'
import { type DiscoveryFacts, type MailServer, hostsFor, mailService } from '../discovery/mail-service.ts'
import { domainOfHost } from '../discovery/asked-address.ts'
import type { HttpApp, HttpRoute } from '../http-app.ts'
import { escapeXml } from '@skein/mail'
import { homeStyle } from './style.ts'
import { type HomeWords, wordsFor } from './words.ts'

const styleDigest = createHash('sha256').update(homeStyle).digest('base64')
const policy = [
  "default-src 'none'",
  `style-src 'sha256-${styleDigest}'`,
  'img-src data:',
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Geese in a wedge. */
const wedge = [
  [32, 6],
  [22, 12],
  [42, 12],
  [12, 18],
  [52, 18],
]
  .map(([x, y]) => `M${(x as number) - 6} ${(y as number) - 2}q4-1 6 3q2-4 6-3`)
  .join('')
const emblem = `<svg viewBox="0 0 64 26" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="${wedge}"/></svg>`

export function homeRoutes(parts: { facts(): DiscoveryFacts }, settings: { nodesListedMax: number }): HttpRoute[] {
  const app: HttpApp = (request, peer) => {
    const url = new URL(request.url)
    const facts = parts.facts()
    const words = wordsFor(request.headers.get('accept-language') ?? '', url.searchParams.get('lang'))
    const domain = domainOfHost(url.hostname, facts)
    const hosts = hostsFor(url.hostname, peer.localAddress, facts.self)
    const { servers } = mailService(domain ?? '', facts, hosts, settings.nodesListedMax)
    const self = facts.nodes.find(({ id }) => id === facts.self)
    return new Response(page(words, domain, self?.name ?? '', self?.region ?? '', servers), {
      headers: {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': policy,
        'cache-control': 'no-cache',
        vary: 'accept-language',
      },
    })
  }
  return [{ path: '/', methods: ['GET'], app }]
}

function page(
  words: HomeWords,
  domain: string | undefined,
  node: string,
  region: string,
  servers: readonly MailServer[],
): string {
  const title = domain === undefined ? words.title : `${words.title} · ${domain}`
  const { code, name } = words.otherLanguage
  return `<!doctype html>
<html lang="${words.htmlLanguage}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<link rel="icon" href="data:,">
<style>${homeStyle}</style>
</head>
<body>
<header><div class="head">
<div class="bar">${emblem}<h1>${escapeXml(title)}</h1><a href="?lang=${code}" hreflang="${code}" lang="${code}">${name}</a></div>
<p class="lead">${escapeXml(words.lead(node, region))}</p>
</div></header>
<main>
<section>
<h2>${words.setUpTitle}</h2>
<p>${words.setUpText}</p>
<form action="/mobileconfig" method="get">
<label for="address">${words.addressLabel}</label>
<input id="address" name="emailaddress" type="email" required autocomplete="email" placeholder="name@${escapeXml(domain ?? 'example.com')}">
<button type="submit">${words.appleButton}</button>
</form>
<p class="soft">${words.appleNote}</p>
<dl>${words.clients.map((client) => `<dt>${client.name}</dt><dd>${client.text}</dd>`).join('\n')}</dl>
</section>
${serversSection(words, servers)}
</main>
<footer>${words.footer}</footer>
</body>
</html>
`
}

/** TLS from the first byte where it is offered: one line for each purpose is enough to read; other nodes are folded away. */
function serversSection(words: HomeWords, servers: readonly MailServer[]): string {
  const seen = new Set<string>()
  const shown = servers.filter(({ protocol, host }) => {
    const key = `${protocol} ${host}`
    return seen.has(key) ? false : seen.add(key)
  })
  const nearest = shown[0]?.host
  if (nearest === undefined) return ''
  const others = shown.filter(({ host }) => host !== nearest)
  const folded =
    others.length === 0
      ? ''
      : `<details><summary>${words.othersTitle}</summary>${serversTable(words, others)}</details>`
  return `<section>
<h2>${words.serversTitle}</h2>
<p>${words.serversNote}</p>
${serversTable(
  words,
  shown.filter(({ host }) => host === nearest),
)}
${folded}
</section>`
}

function serversTable(words: HomeWords, servers: readonly MailServer[]): string {
  const hosts = [...new Set(servers.map(({ host }) => host))]
  const order = ['imap', 'smtp', 'pop3']
  const rows = hosts.flatMap((host) =>
    servers
      .filter((server) => server.host === host)
      .sort((a, b) => order.indexOf(a.protocol) - order.indexOf(b.protocol))
      .map(
        ({ protocol, port, security }) =>
          `<tr><th scope="row">${words.purposes[protocol]}</th><td class="host">${escapeXml(host)}</td><td>${port}</td><td>${words.securities[security]}</td></tr>`,
      ),
  )
  const { purpose, server, port, security } = words.columns
  const head = [purpose, server, port, security].map((text) => `<th scope="col">${text}</th>`).join('')
  return `<table><thead><tr>${head}</tr></thead><tbody>
${rows.join('\n')}
</tbody></table>`
}

// How a mail program finds its settings: real nodes asked over HTTP and HTTPS, the answers read by other people's parsers.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { copyFileSync, readFileSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import { request as requestTls } from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import { LineSocket } from './harness/line-socket.ts'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, initNode, inviteFrom, joinNode, ports } from './harness/skein.ts'
import { Stage, imapOf, password } from './harness/stage.ts'
import { skipWithout } from './system-packages.ts'

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

interface Asking {
  method?: string
  body?: string
  headers?: Record<string, string>
  /** Over TLS, with this certificate as the only one trusted. */
  ca?: string
}

function ask(
  node: SkeinNode,
  path: string,
  { method = 'GET', body = '', headers = {}, ca }: Asking = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const common = { host: node.address, path, method, headers, agent: false as const }
    const asking =
      ca === undefined
        ? request({ ...common, port: ports.http })
        : requestTls({ ...common, port: ports.https, ca, servername: '' })
    asking.on('response', (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }))
      answer.on('error', reject)
    })
    asking.on('error', reject)
    asking.end(body)
  })
}

const toJson = `
import sys, json, xml.etree.ElementTree as tree
def plain(e): return { 'name': e.tag, 'attributes': e.attrib, 'text': (e.text or '').strip(), 'children': [plain(c) for c in e] }
print(json.dumps(plain(tree.fromstring(sys.stdin.buffer.read()))))`

interface XmlElement {
  name: string
  attributes: Record<string, string>
  text: string
  children: XmlElement[]
}

/** Read by Python's parser, which knows nothing of ours. */
function parseXml(text: string): XmlElement {
  return JSON.parse(execFileSync('python3', ['-c', toJson], { input: text, encoding: 'utf8' })) as XmlElement
}

function parsePlist(text: string): Record<string, unknown> {
  const program = 'import sys, json, plistlib; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))'
  return JSON.parse(execFileSync('python3', ['-c', program], { input: text, encoding: 'utf8' })) as Record<
    string,
    unknown
  >
}

const localName = (element: XmlElement) => element.name.replace(/^\{.*\}/, '')
const children = (element: XmlElement, name: string) => element.children.filter((one) => localName(one) === name)
const child = (element: XmlElement, name: string) => children(element, name)[0] as XmlElement
const textOf = (element: XmlElement, name: string) => child(element, name).text

/** `imap 127.0.0.1:993 SSL` for each server of an autoconfig file. */
function serversIn(autoconfig: string): string[] {
  const provider = child(parseXml(autoconfig), 'emailProvider')
  return provider.children
    .filter((one) => localName(one).endsWith('Server'))
    .map((one) => {
      assert.equal(textOf(one, 'authentication'), 'password-cleartext')
      assert.equal(textOf(one, 'username'), '%EMAILADDRESS%')
      return `${one.attributes['type']} ${textOf(one, 'hostname')}:${textOf(one, 'port')} ${textOf(one, 'socketType')}`
    })
}

const outlookSchema = 'http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a'

function autodiscoverRequest(address: string, schema = outlookSchema): string {
  return `<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress>${address}</EMailAddress>
    <AcceptableResponseSchema>${schema}</AcceptableResponseSchema>
  </Request>
</Autodiscover>`
}

const path = (address: string) => `/mail/config-v1.1.xml?emailaddress=${encodeURIComponent(address)}`

test('mail programs find their settings at any node, the nearest first', { timeout: 180_000 }, async (t) => {
  const stage = new Stage(t)
  const noPython = skipWithout('python3')
  const north = await initNode({
    name: 'north',
    domains: ['test.com', '例子.com'],
    extraArguments: ['--region', 'north'],
  })
  stage.add(north)
  await north.start()
  const others: SkeinNode[] = []
  for (const name of ['south', 'isle']) {
    const node = await joinNode(await inviteFrom(north), { name, extraArguments: ['--region', 'south'] })
    stage.add(node)
    others.push(node)
    await node.start()
  }
  const [south, isle] = others as [SkeinNode, SkeinNode]
  const nodes = [north, south, isle]
  await north.must(['node', 'set', 'isle', '--priority', '10'])
  await north.addUser('aaa@test.com', password)
  await eventually(
    async () => {
      const answers = await Promise.all(nodes.map((node) => ask(node, path('aaa@test.com'))))
      return answers.every(({ body }) => body.match(/type="imap"/g)?.length === 6)
    },
    { what: 'all nodes know all ports', deadlineMs: 15_000 },
  )

  await stage.independent(
    'autoconfig names the asked node, then its region, then by priority',
    async () => {
      const order = async (node: SkeinNode) => {
        const servers = serversIn((await ask(node, path('aaa@test.com'))).body)
        return servers.filter((line) => line.startsWith('imap') && line.endsWith('SSL'))
      }
      const line = (node: SkeinNode) => `imap ${node.address}:${ports.imaps} SSL`
      await eventually(async () => (await order(north))[1] === line(isle), {
        what: 'the priority is known',
        deadlineMs: 10_000,
      })
      assert.deepEqual(await order(north), [line(north), line(isle), line(south)])
      assert.deepEqual(await order(south), [line(south), line(isle), line(north)])
      assert.deepEqual(await order(isle), [line(isle), line(south), line(north)])
      const all = serversIn((await ask(south, path('aaa@test.com'))).body)
      const own = all.filter((text) => text.includes(south.address))
      assert.deepEqual(own, [
        `imap ${south.address}:${ports.imaps} SSL`,
        `imap ${south.address}:${ports.imap} STARTTLS`,
        `pop3 ${south.address}:${ports.pop3s} SSL`,
        `pop3 ${south.address}:${ports.pop3} STARTTLS`,
        `smtp ${south.address}:${ports.submissions} SSL`,
        `smtp ${south.address}:${ports.submission} STARTTLS`,
      ])
    },
    noPython,
  )

  await stage.independent(
    'by a host name, host names are told; the well-known path and the host alone do as well',
    async () => {
      const headers = { host: `autoconfig.test.com:${ports.http}` }
      const answer = await ask(isle, '/.well-known/autoconfig/mail/config-v1.1.xml', { headers })
      assert.equal(answer.status, 200)
      assert.match(answer.headers['content-type'] ?? '', /^text\/xml/)
      assert.equal(serversIn(answer.body)[0], `imap isle.test.com:${ports.imaps} SSL`)
      const provider = child(parseXml(answer.body), 'emailProvider')
      assert.equal(provider.attributes['id'], 'test.com')
      assert.equal(textOf(provider, 'domain'), 'test.com')
      const chinese = await ask(isle, path('某人@例子.com'))
      assert.equal(child(parseXml(chinese.body), 'emailProvider').attributes['id'], 'xn--fsqu00a.com')
    },
    noPython,
  )

  await stage.independent(
    'a user who exists and one who does not are answered alike; another domain is not',
    async () => {
      const there = await ask(north, path('aaa@test.com'))
      const nobody = await ask(north, path('nobody@test.com'))
      assert.equal(there.body, nobody.body)
      for (const asked of ['aaa@elsewhere.test', 'aaa@sub.test.com']) {
        assert.equal((await ask(north, path(asked))).status, 404, asked)
        assert.equal((await ask(north, `/mobileconfig?emailaddress=${asked}`)).status, 404, asked)
        const outlook = await ask(north, '/autodiscover/autodiscover.xml', {
          method: 'POST',
          body: autodiscoverRequest(asked),
        })
        assert.equal(outlook.status, 404, asked)
        assert.match(outlook.body, /<ErrorCode>500</)
      }
      for (const host of ['elsewhere.test', 'autoconfig.elsewhere.test']) {
        assert.equal((await ask(north, '/mail/config-v1.1.xml', { headers: { host } })).status, 404, host)
      }
    },
  )

  await stage.independent(
    'Outlook gets IMAP, POP3 and SMTP of the asked node, whatever the case of the path',
    async () => {
      const ca = readFileSync(join(south.data, 'tls/cert.pem'), 'utf8')
      for (const target of [
        '/autodiscover/autodiscover.xml',
        '/Autodiscover/Autodiscover.xml',
        '/AutoDiscover/AutoDiscover.XML',
      ]) {
        const body = autodiscoverRequest('aaa@test.com')
        const answer = await ask(south, target, { method: 'POST', body, ca })
        assert.equal(answer.status, 200)
        const root = parseXml(answer.body)
        assert.equal(root.name, '{http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006}Autodiscover')
        const response = child(root, 'Response')
        assert.equal(response.name, `{${outlookSchema}}Response`)
        const account = child(response, 'Account')
        assert.equal(textOf(account, 'AccountType'), 'email')
        assert.equal(textOf(account, 'Action'), 'settings')
        const told = children(account, 'Protocol').map((one) =>
          ['Type', 'Server', 'Port', 'LoginName', 'SSL', 'Encryption', 'SPA']
            .map((name) => textOf(one, name))
            .join(' '),
        )
        assert.deepEqual(told, [
          `IMAP ${south.address} ${ports.imaps} aaa@test.com on SSL off`,
          `POP3 ${south.address} ${ports.pop3s} aaa@test.com on SSL off`,
          `SMTP ${south.address} ${ports.submissions} aaa@test.com on SSL off`,
        ])
      }
      const bare = await ask(south, '/autodiscover/autodiscover.xml')
      assert.equal(bare.status, 302)
      assert.equal(bare.headers['location'], `https://${south.address}:${ports.https}/autodiscover/autodiscover.xml`)
      const phone = autodiscoverRequest(
        'aaa@test.com',
        'http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006',
      )
      assert.match(
        (await ask(south, '/autodiscover/autodiscover.xml', { method: 'POST', body: phone })).body,
        /<ErrorCode>601</,
      )
      const v2 = await ask(south, '/autodiscover/autodiscover.json?Email=aaa@test.com&Protocol=AutodiscoverV1')
      assert.deepEqual(JSON.parse(v2.body), { Protocol: 'AutodiscoverV1', Url: bare.headers['location'] })
      const exchange = await ask(south, '/Autodiscover/Autodiscover.json/v1.0/aaa%40test.com?Protocol=ActiveSync')
      assert.equal(exchange.status, 404)
    },
    noPython,
  )

  await stage.independent(
    'an Apple profile opens the account, holds no password, and is the same each time',
    async () => {
      const answer = await ask(isle, '/mobileconfig?emailaddress=aaa%2Btag@test.com')
      assert.equal(answer.status, 200)
      assert.match(answer.headers['content-type'] ?? '', /^application\/x-apple-aspen-config/)
      const profile = parsePlist(answer.body)
      assert.equal(profile['PayloadType'], 'Configuration')
      const [account] = profile['PayloadContent'] as [Record<string, unknown>]
      assert.equal(account['PayloadType'], 'com.apple.mail.managed')
      assert.equal(account['EmailAddress'], 'aaa+tag@test.com')
      assert.equal(account['IncomingMailServerHostName'], isle.address)
      assert.equal(account['IncomingMailServerPortNumber'], ports.imaps)
      assert.equal(account['IncomingMailServerUseSSL'], true)
      assert.equal(account['OutgoingMailServerPortNumber'], ports.submissions)
      assert.doesNotMatch(answer.body, /<key>(?:Incoming|Outgoing)Password</)
      const uuid = /^[0-9A-F]{8}-[0-9A-F]{4}-8[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$/
      assert.match(String(profile['PayloadUUID']), uuid)
      assert.match(String(account['PayloadUUID']), uuid)
      const again = parsePlist((await ask(south, '/mobileconfig?emailaddress=AAA%2Btag@test.com')).body)
      assert.equal(again['PayloadUUID'], profile['PayloadUUID'])
      assert.equal((await ask(isle, '/mobileconfig')).status, 400)
    },
    noPython,
  )

  await stage.independent(
    'what is told works: a session at the first server, over TLS that the certificate covers',
    async () => {
      const ca = readFileSync(join(north.data, 'tls/cert.pem'), 'utf8')
      const answer = await ask(north, path('aaa@test.com'), { ca })
      assert.match(
        answer.body,
        new RegExp(`<hostname>${north.address.replaceAll('.', '\\.')}</hostname>\\s*<port>${ports.imaps}<`),
      )
      await using client = await imapOf(north, 'aaa@test.com')
      await client.command('SELECT INBOX')
      const healthy = await ask(north, '/healthz', { ca })
      assert.equal(healthy.body, 'ok\n')
      // One that joined learnt its host name and domains only then.
      const joined = new X509Certificate(readFileSync(join(south.data, 'tls/cert.pem')))
      for (const name of ['south.test.com', 'test.com', 'xn--fsqu00a.com']) assert.equal(joined.checkHost(name), name)
    },
  )

  await stage.independent(
    'hostile questions are answered, and change nothing',
    async () => {
      const evil = `"<x>&'"@test.com`
      const profile = await ask(north, `/mobileconfig?emailaddress=${encodeURIComponent(evil)}`)
      if (profile.status === 200) {
        const [account] = parsePlist(profile.body)['PayloadContent'] as [Record<string, unknown>]
        assert.equal(account['EmailAddress'], evil)
      } else assert.equal(profile.status, 400)
      const injected = `aaa@test.com&lt;/LoginName&gt;&lt;Server&gt;evil.test`
      const outlook = await ask(north, '/autodiscover/autodiscover.xml', {
        method: 'POST',
        body: autodiscoverRequest(injected),
      })
      assert.equal(outlook.status, 400)
      parseXml(outlook.body)
      const quoted = autodiscoverRequest(`&quot;a&lt;b&quot;@test.com`)
      const told = await ask(north, '/autodiscover/autodiscover.xml', { method: 'POST', body: quoted })
      assert.equal(textOf(child(child(parseXml(told.body), 'Response'), 'User'), 'DisplayName'), '"a<b"@test.com')
      const bomb = `<!DOCTYPE a [<!ENTITY e "x">]>${autodiscoverRequest('&e;aaa@test.com')}`
      assert.equal((await ask(north, '/autodiscover/autodiscover.xml', { method: 'POST', body: bomb })).status, 400)
      const huge = autodiscoverRequest('aaa@test.com') + ' '.repeat(1_000_000)
      assert.equal((await ask(north, '/autodiscover/autodiscover.xml', { method: 'POST', body: huge })).status, 413)
      for (const host of ['evil.test/<script>', 'a'.repeat(300), `"><x>`, '[::1', 'test.com@evil.test']) {
        const answer = await ask(north, path('aaa@test.com'), { headers: { host } })
        assert.ok([200, 400].includes(answer.status), `${host}: ${answer.status}`)
        assert.doesNotMatch(answer.body, /script|evil/)
      }
      for (const query of [
        '?emailaddress=%ff%fe',
        '?emailaddress=',
        '?emailaddress=@',
        `?emailaddress=${'a'.repeat(400)}@test.com`,
        '?emailaddress=a@b@test.com%00',
      ]) {
        const answer = await ask(north, `/mail/config-v1.1.xml${query}`)
        assert.ok([400, 404].includes(answer.status), `${query}: ${answer.status}`)
      }
      for (const method of ['PUT', 'DELETE', 'POST', 'PROPFIND']) {
        const answer = await ask(north, path('aaa@test.com'), { method })
        assert.equal(answer.status, 405, method)
        assert.equal(answer.headers['allow'], 'GET, HEAD')
      }
      await using link = await LineSocket.connect({ host: north.address, port: ports.http })
      link.write(`GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(100_000)}\r\n\r\n`)
      assert.match(await link.line(), /^HTTP\/1\.1 431 /)
    },
    noPython,
  )

  await stage.independent('the page for people speaks their language and loads nothing from elsewhere', async () => {
    const chinese = await ask(south, '/', { headers: { 'accept-language': 'zh-CN,zh;q=0.9,en;q=0.8' } })
    assert.equal(chinese.status, 200)
    assert.match(chinese.body, /<html lang="zh-CN">/)
    assert.match(chinese.body, /设置邮件客户端/)
    assert.ok(chinese.body.includes(south.address))
    const english = await ask(south, '/', { headers: { host: 'mail.test.com' } })
    assert.match(english.body, /<html lang="en">/)
    assert.ok(english.body.includes('south.test.com'))
    for (const { body, headers } of [chinese, english]) {
      assert.doesNotMatch(body, /https?:\/\/|<script|src=/)
      assert.match(String(headers['content-security-policy']), /^default-src 'none'; style-src 'sha256-/)
    }
  })

  await stage.independent('metrics tell of this machine to this machine', async () => {
    const { status, body } = await ask(south, '/metrics')
    assert.equal(status, 200)
    assert.match(body, /^skein_peers\{state="up"\} 2$/m)
    assert.match(body, /^skein_users 1$/m)
    assert.match(body, /^skein_connections\{door="imap"\} \d+$/m)
    assert.match(body, /^process_resident_memory_bytes \d{7,}$/m)
    assert.equal((await ask(south, '/metrics', { headers: { 'x-forwarded-for': '192.0.2.7' } })).status, 403)
  })

  await stage.step('a node that is disabled is told to nobody', async () => {
    await north.must(['node', 'set', 'isle', '--enabled', 'false'])
    const listed = async (node: SkeinNode) => (await ask(node, path('aaa@test.com'))).body.includes(isle.address)
    await eventually(async () => !(await listed(south)) && !(await listed(isle)), {
      what: 'no node names the disabled one',
      deadlineMs: 10_000,
    })
    assert.ok((await ask(isle, path('aaa@test.com'))).body.includes(south.address))
  })

  await stage.step('a node that is silent comes last', async () => {
    await north.must(['node', 'set', 'isle', '--enabled', 'true'])
    await isle.kill9()
    const imaps = (body: string) => [...body.matchAll(/<hostname>([^<]+)</g)].map((match) => match[1] as string)
    await eventually(
      async () => {
        const hosts = [...new Set(imaps((await ask(south, path('aaa@test.com'))).body))]
        return hosts.join() === [south.address, north.address, isle.address].join()
      },
      { what: 'the silent node is named last', deadlineMs: 30_000 },
    )
  })

  await stage.step('a new certificate is used without a restart', async () => {
    for (const file of ['tls/cert.pem', 'tls/key.pem']) copyFileSync(join(south.data, file), join(north.data, file))
    const ca = readFileSync(join(south.data, 'tls/cert.pem'), 'utf8')
    north.process?.kill('SIGHUP')
    await eventually(
      () =>
        ask(north, '/healthz', { ca }).then(
          () => false,
          (error: NodeJS.ErrnoException) => error.code === 'ERR_TLS_CERT_ALTNAME_INVALID',
        ),
      { what: 'the new certificate, which names the other node', deadlineMs: 10_000 },
    )
  })

  await stage.step('SIGTERM ends it with a connection left open', async () => {
    await using link = await LineSocket.connect({ host: north.address, port: ports.http })
    link.write('GET /healthz HTTP/1.1\r\nHost: a\r\n')
    const exit = await north.stop()
    assert.equal(exit?.code, 0)
  })
})

// Letters out under DANE and MTA-STS: a real node, Debian's Postfix, a signed DNS of the test's own. What a domain's policy forbids
// is not sent, waits, and says why; what it allows arrives.
import assert from 'node:assert/strict'
import { X509Certificate, createHash } from 'node:crypto'
import { appendFileSync, readFileSync } from 'node:fs'
import { type Server, createServer } from 'node:https'
import { test } from 'node:test'
import { loopbackAddress } from './harness/addresses.ts'
import { DnsWorld, type Zone, dnsWorldPrograms } from './harness/dns-world.ts'
import { eventually } from './harness/poll.ts'
import { Postfix } from './harness/postfix.ts'
import { type SkeinNode, startNode } from './harness/skein.ts'
import { Stage, letter, password, submissionTo } from './harness/stage.ts'
import { type IssuedCertificate, TestAuthority } from './harness/test-authority.ts'
import { skipWithout } from './system-packages.ts'

const anna = 'anna@us.test'
const someDigest = '42'.repeat(32)

/** Serves MTA-STS policies by host name. */
class PolicyServer {
  readonly policies = new Map<string, string>()
  readonly asked: string[] = []
  private server: Server | undefined

  async start(address: string, { cert, key }: IssuedCertificate): Promise<void> {
    const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
      const host = request.headers.host ?? ''
      this.asked.push(host)
      const policy = this.policies.get(host)
      if (request.url !== '/.well-known/mta-sts.txt' || policy === undefined) response.writeHead(404).end()
      else response.writeHead(200, { 'Content-Type': 'text/plain' }).end(policy)
    })
    this.server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(443, address, resolve)
    })
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections()
    await new Promise<void>((resolve) => (this.server ? this.server.close(() => resolve()) : resolve()))
  }
}

function tlsaOf({ cert }: IssuedCertificate): string {
  const spki = new X509Certificate(readFileSync(cert)).publicKey.export({ type: 'spki', format: 'der' })
  return `TLSA 3 1 1 ${createHash('sha256').update(spki).digest('hex')}`
}

/** DANE-TA: the key of the authority. */
function authorityTlsa({ file }: TestAuthority): string {
  return tlsaOf({ cert: file, key: '' }).replace('TLSA 3', 'TLSA 2')
}

/** As a server must send it for DANE-TA: the authority's certificate too. */
function withChain({ cert, key }: IssuedCertificate, { file }: TestAuthority): IssuedCertificate {
  appendFileSync(cert, readFileSync(file))
  return { cert, key }
}

const policyOf = (mode: string, mx: string) => `version: STSv1\nmode: ${mode}\nmx: ${mx}\nmax_age: 86400\n`

interface QueueLine {
  id: string
  recipients: { address: string; state: string; lastResult?: { text: string; status: string } | null }[]
}

test(
  'what protects a letter on its way out',
  { timeout: 240_000, skip: skipWithout(...dnsWorldPrograms, 'postconf') },
  async (t) => {
    const stage = new Stage(t)
    const authority = await TestAuthority.create()
    const good = withChain(
      await authority.issue('mx.good.test', 'mx.sts.test', 'mx.trial.test', 'mx.anchored.test'),
      authority,
    )
    const [tlsAddress, plainAddress, policyAddress] = [
      await loopbackAddress(),
      await loopbackAddress(),
      await loopbackAddress(),
    ]
    const hosts = await authority.issue(
      ...['sts', 'stswrong', 'stscert', 'trial', 'stsclear'].map((name) => `mta-sts.${name}.test`),
    )
    const policyServer = new PolicyServer()
    await policyServer.start(policyAddress, hosts)
    stage.cleanup(() => policyServer.stop())

    const sts = (mx: string): Zone => ({
      lines: [
        mx,
        `mx A ${tlsAddress}`,
        `clear A ${plainAddress}`,
        `mta-sts A ${policyAddress}`,
        '_mta-sts TXT "v=STSv1; id=1;"',
      ],
    })
    const world = await DnsWorld.start({
      'good.test': { signing: 'signed', lines: ['@ MX 10 mx', `mx A ${tlsAddress}`, `_25._tcp.mx ${tlsaOf(good)}`] },
      'wrong.test': {
        signing: 'signed',
        lines: ['@ MX 10 mx', `mx A ${tlsAddress}`, `_25._tcp.mx TLSA 3 1 1 ${someDigest}`],
      },
      'second.test': {
        signing: 'signed',
        lines: ['@ MX 10 bad', '@ MX 20 mx.good.test.', `bad A ${tlsAddress}`, `_25._tcp.bad TLSA 3 1 1 ${someDigest}`],
      },
      'stripped.test': {
        signing: 'signed',
        lines: ['@ MX 10 mx', `mx A ${plainAddress}`, `_25._tcp.mx ${tlsaOf(good)}`],
      },
      'bogus.test': { signing: 'bogus', lines: ['@ MX 10 mx', `mx A ${tlsAddress}`] },
      'open.test': { lines: ['@ MX 10 mx', `mx A ${tlsAddress}`, `_25._tcp.mx TLSA 3 1 1 ${someDigest}`] },
      // The records lie at the end of the alias.
      'alias.test': { signing: 'signed', lines: ['@ MX 10 alias', 'alias CNAME mx.good.test.'] },
      'anchored.test': {
        signing: 'signed',
        // Nobody is at the first address: a family that is dead here must not hold the letter up.
        lines: ['@ MX 10 mx', 'mx AAAA ::1', `mx A ${tlsAddress}`, `_25._tcp.mx ${authorityTlsa(authority)}`],
      },
      'clear.test': { signing: 'signed', lines: ['@ MX 10 mx', `mx A ${plainAddress}`] },
      'sts.test': sts('@ MX 10 mx'),
      'stswrong.test': sts('@ MX 10 mx'),
      'stscert.test': sts('@ MX 10 mx'),
      'stsclear.test': sts('@ MX 10 clear'),
      'trial.test': sts('@ MX 10 clear'),
    })
    stage.cleanup(() => world.stop())
    policyServer.policies.set('mta-sts.sts.test', policyOf('enforce', 'mx.sts.test'))
    policyServer.policies.set('mta-sts.stswrong.test', policyOf('enforce', 'other.stswrong.test'))
    policyServer.policies.set('mta-sts.stscert.test', policyOf('enforce', '*.stscert.test'))
    policyServer.policies.set('mta-sts.stsclear.test', policyOf('enforce', 'clear.stsclear.test'))
    policyServer.policies.set('mta-sts.trial.test', policyOf('testing', 'mx.trial.test'))

    const domains = [
      'good',
      'alias',
      'anchored',
      'wrong',
      'second',
      'bogus',
      'open',
      'clear',
      'stripped',
      'sts',
      'stswrong',
      'stscert',
      'stsclear',
      'trial',
    ]
    const users = domains.map((name) => `bob@${name}.test`)
    const [secure, plain] = await Promise.all([
      Postfix.start({ users, address: tlsAddress, certificate: good }),
      Postfix.start({ users, address: plainAddress }),
    ])
    stage.cleanup(() => secure.stop())
    stage.cleanup(() => plain.stop())
    const node = await startNode({
      name: 'us',
      domains: ['us.test'],
      settings: { outside: { 'dns-servers': [world.resolver], authorities: authority.file, addresses: 'ipv6-first' } },
    })
    stage.add(node)
    await node.must(['user', 'add', anna, '--password-stdin'], { input: `${password}\n` })
    const send = (to: string) => sendFrom(node, to)

    const arrives = async (to: string, at: Postfix, how: string) => {
      const id = await send(to)
      await at.letterWith(to, id)
      await eventually(async () => (await node.rawJson(['trace', id])).includes(how), {
        what: `"${how}" in the trace`,
        deadlineMs: 5_000,
      })
    }
    const waits = async (to: string, why: RegExp) => {
      const id = await send(to)
      const { text, status } = await reasonOf(node, to)
      assert.match(`${status} ${text}`, why)
      await node.must(['queue', 'retry', await queueIdOf(node, to)])
      for (const server of [secure, plain]) assert.ok(!server.letters(to).some((bytes) => bytes.includes(id)), to)
      return id
    }

    /** The domain mends its records: the letter that waited goes. */
    const mended = async (to: string, zone: string, records: Zone) => {
      await world.set(zone, records)
      await eventually(
        async () => {
          const id = await queueIdOf(node, to).catch(() => '')
          if (id !== '') await node.command(['queue', 'retry', id])
          return secure.letters(to).length === 1
        },
        { what: 'the letter that waited', deadlineMs: 40_000, everyMs: 500 },
      )
    }

    await stage.independent('DANE: the certificate that the TLSA record names', () =>
      arrives('bob@good.test', secure, 'verified by DANE'),
    )
    await stage.independent('DANE: another certificate stops the letter, and the queue says why', async () => {
      await waits('bob@wrong.test', /^4\.7\.5 TLSA records of mx\.wrong\.test match none of its certificates$/)
      await mended('bob@wrong.test', 'wrong.test', {
        signing: 'signed',
        lines: ['@ MX 10 mx', `mx A ${tlsAddress}`, `_25._tcp.mx ${tlsaOf(good)}`],
      })
    })
    await stage.independent('DANE: records at the end of an alias', () =>
      arrives('bob@alias.test', secure, 'verified by DANE'),
    )
    await stage.independent('DANE: an authority that the domain names; a dead IPv6 address', () =>
      arrives('bob@anchored.test', secure, 'verified by DANE'),
    )
    await stage.independent('DANE: the next host, whose certificate is right, gets the letter', () =>
      arrives('bob@second.test', secure, 'verified by DANE'),
    )
    await stage.independent('DANE: a host that offers no STARTTLS gets nothing', async () => {
      await waits('bob@stripped.test', /^4\.7\.10 mx\.stripped\.test offers no STARTTLS$/)
    })
    await stage.independent('bogus DNSSEC delays', async () => {
      await waits('bob@bogus.test', /^4\.4\.3 MX of bogus\.test/)
      await mended('bob@bogus.test', 'bogus.test', { signing: 'signed', lines: ['@ MX 10 mx.good.test.'] })
    })
    await stage.independent('TLSA records that nobody signed do not count', () =>
      arrives('bob@open.test', secure, '(over TLS)'),
    )
    await stage.independent('without a policy a host without TLS gets the letter in clear text', () =>
      arrives('bob@clear.test', plain, '(in clear text)'),
    )
    await stage.independent(
      'MTA-STS: named host, valid certificate; the policy is fetched once and survives a restart',
      async () => {
        await arrives('bob@sts.test', secure, 'verified as MTA-STS asks')
        await node.stop()
        await node.start()
        await arrives('bob@sts.test', secure, 'verified as MTA-STS asks')
        assert.equal(policyServer.asked.filter((host) => host === 'mta-sts.sts.test').length, 1)
      },
    )
    await stage.independent('MTA-STS: a host that the policy does not name', async () => {
      await waits(
        'bob@stswrong.test',
        /^4\.7\.5 mx\.stswrong\.test is not among the hosts of stswrong\.test’s MTA-STS policy$/,
      )
    })
    await stage.independent('MTA-STS: a certificate for another name', async () => {
      await waits('bob@stscert.test', /^4\.7\.5 the certificate of mx\.stscert\.test is for another name/)
    })
    await stage.independent('MTA-STS: no STARTTLS', async () => {
      await waits('bob@stsclear.test', /^4\.7\.10 clear\.stsclear\.test offers no STARTTLS$/)
    })
    await stage.independent('MTA-STS in testing mode delivers all the same', () =>
      arrives('bob@trial.test', plain, '(in clear text)'),
    )
  },
)

async function sendFrom(node: SkeinNode, to: string): Promise<string> {
  const { id, text } = letter(anna, to, 'Under cover')
  const session = await submissionTo(node, anna)
  await session.send(anna, [to], text)
  await session.quit()
  return id
}

async function queueOf(node: SkeinNode, to: string): Promise<QueueLine> {
  const lines = await node.json<QueueLine[]>(['queue', 'list'])
  const line = lines.find(({ recipients }) => recipients.some(({ address }) => address === to))
  if (!line) throw new Error(`nothing for ${to} in ${JSON.stringify(lines)}`)
  return line
}

const queueIdOf = async (node: SkeinNode, to: string) => (await queueOf(node, to)).id

function reasonOf(node: SkeinNode, to: string): Promise<{ text: string; status: string }> {
  return eventually(
    async () => (await queueOf(node, to)).recipients.find(({ address }) => address === to)?.lastResult ?? undefined,
    { what: `why the letter for ${to} waits`, deadlineMs: 20_000 },
  )
}

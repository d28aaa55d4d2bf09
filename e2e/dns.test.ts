// `skein dns`: what it prints is a zone file that a real name server serves, and what it checks is what that server says.
import assert from 'node:assert/strict'
import { X509Certificate, createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import { loopbackAddress } from './harness/addresses.ts'
import { eventually } from './harness/poll.ts'
import { TrackedProcess, temporaryDirectory } from './harness/processes.ts'
import { type SkeinNode, initNode, inviteFrom, joinNode, ports } from './harness/skein.ts'
import { Stage } from './harness/stage.ts'
import { skipWithout } from './system-packages.ts'

interface DnsReport {
  ok: boolean
  findings: { name: string; type: string; state: string; text: string }[]
}

interface DnsPlan {
  zones: { name: string; records: { name: string; type: string; value: string }[]; notes: string[] }[]
}

const port = 10_053
const domains = ['test.com', 'mailer.com.cn']

/** Knot, authoritative for the two domains, on an address of its own. */
class NameServer {
  readonly directory = temporaryDirectory('knot')
  readonly address: string
  private serial = 1
  private process: TrackedProcess | undefined

  constructor(address: string) {
    this.address = address
    const zones = domains.map((domain) => `  - domain: ${domain}\n    file: ${domain}.zone\n`).join('')
    const config = [
      `server:\n  listen: ${address}@${port}\n  rundir: ${this.directory}`,
      `database:\n  storage: ${this.directory}`,
      `template:\n  - id: default\n    storage: ${this.directory}`,
      `zone:\n${zones}`,
    ]
    writeFileSync(join(this.directory, 'knot.conf'), config.join('\n'))
  }

  /** @param zoneLines what `skein dns` printed, or a variation of it */
  async serve(zoneLines: string): Promise<void> {
    await this.stop()
    this.serial += 1
    for (const domain of domains) {
      const lines = zoneLines.split('\n').filter((line) => (line.split(' ')[0] ?? '').endsWith(`${domain}.`))
      const head = `${domain}. 60 IN SOA ns.${domain}. root.${domain}. ${this.serial} 60 60 60 60\n${domain}. 60 IN NS ns.${domain}.\nns.${domain}. 60 IN A ${this.address}\n`
      writeFileSync(join(this.directory, `${domain}.zone`), `${head}${lines.join('\n')}\n`)
    }
    this.process = new TrackedProcess('knotd', ['-c', join(this.directory, 'knot.conf')])
  }

  async stop(): Promise<void> {
    this.process?.kill('SIGTERM')
    await this.process?.exited
    this.process = undefined
  }

  get log(): string {
    return `${this.process?.stdout ?? ''}${this.process?.stderr ?? ''}`
  }
}

/** SHA-256 of the public key, as OpenSSL tells it. */
function keyDigest(node: SkeinNode): string {
  const certificate = new X509Certificate(readFileSync(join(node.data, 'tls', 'cert.pem')))
  return createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}

/** @returns status and body of what a node serves over HTTPS under that host name */
function httpsGet(node: SkeinNode, host: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const options = { host: node.address, port: ports.https, servername: host, path, headers: { host } }
    const request = get({ ...options, rejectUnauthorized: false }, (response) => {
      let body = ''
      response.on('data', (piece) => (body += piece))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    request.on('error', reject)
  })
}

test('the DNS records of a mesh', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t)
  const server = new NameServer(await loopbackAddress())
  stage.cleanup(() => server.stop())
  const settings = { outside: { 'dns-servers': [`${server.address}:${port}`] } }
  const bj = await initNode({ name: 'bj', domains, settings })
  stage.add(bj)
  await bj.start()
  const hk = await joinNode(await inviteFrom(bj), { name: 'hk' })
  stage.add(hk)
  await hk.start()
  await bj.must(['node', 'set', 'hk', '--priority', '20'])
  const noServer = skipWithout('knotd')
  let zoneFile = ''

  await stage.step('every node prints the same records for each domain', async () => {
    await eventually(
      async () => {
        const [here, there] = await Promise.all([bj.rawJson(['dns']), hk.rawJson(['dns'])])
        return here === there && here.includes('20 1 10993 hk.test.com') && here.includes(keyDigest(hk))
      },
      { what: 'the same records on both nodes', deadlineMs: 15_000 },
    )
    const { zones } = await bj.json<DnsPlan>(['dns'])
    assert.deepEqual(zones.map(({ name }) => name).sort(), [...domains].sort())
    const records = zones.flatMap((zone) => zone.records.map(({ name, type, value }) => `${name} ${type} ${value}`))
    for (const wanted of [
      'test.com MX 20 hk.test.com',
      'mailer.com.cn MX 100 bj.test.com',
      'mailer.com.cn MX 20 hk.test.com',
      '_submissions._tcp.mailer.com.cn SRV 100 1 10465 bj.test.com',
      `hk.test.com A ${hk.address}`,
      `autoconfig.mailer.com.cn A ${bj.address}`,
      '_autodiscover._tcp.test.com SRV 20 1 10443 hk.test.com',
      `mail.test.com A ${hk.address}`,
      `mta-sts.mailer.com.cn A ${bj.address}`,
      '_dmarc.mailer.com.cn TXT v=DMARC1; p=none; rua=mailto:postmaster@mailer.com.cn',
      '_smtp._tls.test.com TXT v=TLSRPTv1; rua=mailto:postmaster@test.com',
      `_25._tcp.hk.test.com TLSA 3 1 1 ${keyDigest(hk)}`,
      `_25._tcp.bj.test.com TLSA 3 1 1 ${keyDigest(bj)}`,
    ]) {
      assert.ok(records.includes(wanted), `${wanted} is missing in\n${records.join('\n')}`)
    }
    const spf = records.find((line) => line.startsWith('test.com TXT v=spf1 ')) ?? ''
    assert.ok(spf.includes(`ip4:${bj.address}`) && spf.includes(`ip4:${hk.address}`) && spf.endsWith(' -all'), spf)
    assert.match(zones[0]?.notes.join('\n') ?? '', /bj announces no public address/)
    zoneFile = (await bj.must(['dns'])).stdout
  })

  await stage.step(
    'every node serves the same MTA-STS policy, whose id stands in the DNS and changes with it',
    async () => {
      const path = '/.well-known/mta-sts.txt'
      const policyOf = (node: SkeinNode) => httpsGet(node, 'mta-sts.test.com', path)
      const idOf = async (node: SkeinNode) =>
        (await node.json<DnsPlan>(['dns', '--domain', 'test.com'])).zones[0]?.records.find(
          ({ name }) => name === '_mta-sts.test.com',
        )?.value
      const [here, there] = await Promise.all([policyOf(bj), policyOf(hk)])
      assert.deepEqual(here, there)
      assert.equal(here.status, 200)
      assert.equal(
        here.body,
        'version: STSv1\r\nmode: testing\r\nmx: bj.test.com\r\nmx: hk.test.com\r\nmax_age: 86400\r\n',
      )
      assert.equal((await httpsGet(bj, 'bj.test.com', path)).status, 404)
      const before = await idOf(hk)
      await bj.must(['domain', 'set', 'test.com', '--mta-sts', 'enforce'])
      const after = await eventually(
        async () => {
          const now = await idOf(hk)
          return now !== before && (await policyOf(hk)).body.includes('mode: enforce') ? now : undefined
        },
        { what: 'the new policy on the other node' },
      )
      assert.equal(await idOf(bj), after)
      assert.match((await bj.must(['domain', 'list'])).stdout, /^test\.com +auto +1 +enforce\b/m)
      const wrongMode = await bj.command(['domain', 'set', 'test.com', '--mta-sts', 'always'])
      assert.equal(wrongMode.code, 2)
      await bj.must(['domain', 'set', 'test.com', '--mta-sts', 'testing'])
      assert.equal(await idOf(bj), before)
      // With the DKIM keys and whatever else the nodes have said by now.
      zoneFile = (await bj.must(['dns'])).stdout
    },
  )

  await stage.step('one domain alone; an unknown one is refused', async () => {
    const { zones } = await bj.json<DnsPlan>(['dns', '--domain', 'Test.com'])
    assert.deepEqual(
      zones.map(({ name }) => name),
      ['test.com'],
    )
    const unknown = await bj.command(['dns', '--domain', 'other.test'])
    assert.equal(unknown.code, 1)
    assert.match(unknown.stderr, /^skein: this mesh has no domain other\.test\n$/)
  })

  /** The nodes have ports of their own choice here, and no authority's certificate: advice, but for `enforce` a fault. */
  async function check(): Promise<{ code: number | null; report: DnsReport }> {
    const result = await bj.command(['dns', '--check', '--json'])
    return { code: result.code, report: JSON.parse(result.stdout) as DnsReport }
  }
  const wrong = ({ findings }: DnsReport) =>
    findings
      .filter(({ state }) => state !== 'right' && state !== 'advice')
      .map(({ name, type, state }) => `${state} ${type} ${name}`)

  await stage.step(
    'a real server serves what was printed, and the check finds all of it right',
    async () => {
      await server.serve(zoneFile)
      const right = await eventually(
        async () => {
          const checked = await check()
          return checked.report.findings.some(({ state }) => state === 'unknown') ? undefined : checked
        },
        { what: 'answers from Knot', deadlineMs: 20_000 },
      )
      assert.deepEqual(wrong(right.report), [], server.log)
      assert.equal(right.code, 0)
      const told = await bj.must(['dns', '--check'])
      assert.match(told.stdout, /^ok +MX +test\.com: /m)
      assert.match(told.stdout, /all is published as it should be/)
      assert.match(told.stdout, new RegExp(`^advice +HTTPS +mta-sts\\.test\\.com: ${bj.address} does not serve`, 'm'))
      await bj.must(['domain', 'set', 'test.com', '--mta-sts', 'enforce'])
      assert.deepEqual(wrong((await check()).report).sort(), [
        'wrong HTTPS mta-sts.test.com',
        'wrong HTTPS mta-sts.test.com',
        'wrong TXT _mta-sts.test.com',
      ])
      await bj.must(['domain', 'set', 'test.com', '--mta-sts', 'testing'])
    },
    noServer,
  )

  await stage.step(
    'what is missing, wrong or too much is named, and the command fails',
    async () => {
      const changed = zoneFile
        .replace(/^_imaps\._tcp\.test\.com\..*\n/gm, '')
        .replace(/^(mailer\.com\.cn\. .* MX +20) hk\.test\.com\.$/m, '$1 mail.old.net.')
        .replace(new RegExp(`^(test\\.com\\..*v=spf1.*) ip4:${hk.address.replaceAll('.', '\\.')}`, 'm'), '$1')
        .replace(/^(hk\.test\.com\. .* A +)\S+$/m, (_line, head: string) => `${head}192.0.2.1\n${head}192.0.2.2`)
        .replace(/^_25\._tcp\.bj\.test\.com\. .*$/m, `_25._tcp.bj.test.com. 60 IN TLSA 3 1 1 ${'0'.repeat(64)}`)
        .replace(/^(_mta-sts\.mailer\.com\.cn\. .*id=)[0-9a-f]+/m, '$1older')
        .replace(/^(_dmarc\.test\.com\. .*)p=none/m, '$1p=maybe')
      const caa = 'test.com. 60 IN CAA 0 issue "other.example"'
      await server.serve(`${changed}\ntest.com. 60 IN MX 5 mail.old.net.\n${caa}\n`)
      const { code, report } = await eventually(
        async () => {
          const checked = await check()
          return checked.report.findings.some(({ state }) => state === 'unknown') ? undefined : checked
        },
        { what: 'answers from Knot', deadlineMs: 20_000 },
      )
      assert.equal(code, 1)
      assert.deepEqual(wrong(report).sort(), [
        'extra MX test.com',
        'missing SRV _imaps._tcp.test.com',
        'wrong A hk.test.com',
        'wrong MX mailer.com.cn',
        'wrong TLSA _25._tcp.bj.test.com',
        'wrong TXT _dmarc.test.com',
        'wrong TXT _mta-sts.mailer.com.cn',
        'wrong TXT test.com',
      ])
      const told = await bj.command(['dns', '--check'])
      assert.equal(told.code, 1)
      assert.match(told.stdout, /^WRONG +MX +mailer\.com\.cn: says 20 mail\.old\.net; should say 20 hk\.test\.com$/m)
      assert.match(told.stdout, /^EXTRA +MX +test\.com: also says 5 mail\.old\.net/m)
      assert.match(
        told.stdout,
        new RegExp(`fix: publish this in its place at once:\\n +_25.* TLSA +3 1 1 ${keyDigest(bj)}$`, 'm'),
      )
      assert.match(told.stdout, /8 of \d+ are not as they should be/)
    },
    noServer,
  )

  await stage.step(
    'no answer is not taken for no record',
    async () => {
      await server.stop()
      const { code, report } = await check()
      assert.equal(code, 1)
      const asked = report.findings.filter(({ type }) => type !== 'SMTP' && type !== 'HTTPS')
      assert.deepEqual([...new Set(asked.map(({ state }) => state))], ['unknown'])
      assert.match(report.findings[0]?.text ?? '', /could not be looked up/)
    },
    noServer,
  )
})

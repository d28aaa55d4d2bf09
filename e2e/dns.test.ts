// `skein dns`: what it prints is a zone file that a real name server serves, and what it checks is what that server says.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loopbackAddress } from './harness/addresses.ts'
import { eventually } from './harness/poll.ts'
import { TrackedProcess, temporaryDirectory } from './harness/processes.ts'
import { initNode, inviteFrom, joinNode } from './harness/skein.ts'
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
        return here === there && here.includes('20 1 10993 hk.test.com')
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
    ]) {
      assert.ok(records.includes(wanted), `${wanted} is missing in\n${records.join('\n')}`)
    }
    const spf = records.find((line) => line.startsWith('test.com TXT v=spf1 ')) ?? ''
    assert.ok(spf.includes(`ip4:${bj.address}`) && spf.includes(`ip4:${hk.address}`) && spf.endsWith(' -all'), spf)
    assert.match(zones[0]?.notes.join('\n') ?? '', /bj announces no public address/)
    zoneFile = (await bj.must(['dns'])).stdout
  })

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

  async function check(): Promise<{ code: number | null; report: DnsReport }> {
    const result = await bj.command(['dns', '--check', '--json'])
    return { code: result.code, report: JSON.parse(result.stdout) as DnsReport }
  }
  const wrong = ({ findings }: DnsReport) =>
    findings.filter(({ state }) => state !== 'right').map(({ name, type, state }) => `${state} ${type} ${name}`)

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
      await server.serve(`${changed}\ntest.com. 60 IN MX 5 mail.old.net.\n`)
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
        'wrong TXT test.com',
      ])
      const told = await bj.command(['dns', '--check'])
      assert.equal(told.code, 1)
      assert.match(told.stdout, /^WRONG +MX +mailer\.com\.cn: says 20 mail\.old\.net; should say 20 hk\.test\.com$/m)
      assert.match(told.stdout, /^EXTRA +MX +test\.com: also says 5 mail\.old\.net/m)
      assert.match(told.stdout, /5 of \d+ are not as they should be/)
    },
    noServer,
  )

  await stage.step(
    'no answer is not taken for no record',
    async () => {
      await server.stop()
      const { code, report } = await check()
      assert.equal(code, 1)
      assert.ok(report.findings.every(({ state }) => state === 'unknown'))
      assert.match(report.findings[0]?.text ?? '', /could not be looked up/)
    },
    noServer,
  )
})

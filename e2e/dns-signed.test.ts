// The whole of `skein dns --check` in a world where all is right: a signed zone behind a validating resolver, a certificate of an
// authority, the policy served on port 443 and enforced, mail on port 25. Then one thing after the other is broken there.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AcmeWorld, acmeWorldPrograms } from './harness/acme-world.ts'
import { loopbackAddress } from './harness/addresses.ts'
import { DnsWorld, dnsWorldPrograms } from './harness/dns-world.ts'
import { eventually } from './harness/poll.ts'
import { initNode } from './harness/skein.ts'
import { Stage } from './harness/stage.ts'
import { skipWithout } from './system-packages.ts'

interface Finding {
  name: string
  type: string
  state: string
  text: string
  fix?: string
  publish?: { name: string; type: string; value: string }[]
}

const skip =
  skipWithout(...acmeWorldPrograms, ...dnsWorldPrograms) ||
  (process.getuid?.() === 0 ? false : 'needs root for ports 25 and 443')

test('a world where all is right, and what is said when it is not', { timeout: 180_000, skip }, async (t) => {
  const stage = new Stage(t)
  const address = await loopbackAddress()
  const dns = await DnsWorld.start({ 'test.com': { lines: [], signing: 'signed' } })
  stage.cleanup(() => dns.stop())
  const shared = ['mail', 'autoconfig', 'autodiscover', 'mta-sts'].map((label) => `${label}.test.com`)
  const hosts = ['bj', 'mail', 'autoconfig', 'autodiscover', 'mta-sts'].map((label) => `${label} A ${address}`)
  const authority = await AcmeWorld.start('test.com', hosts)
  stage.cleanup(() => authority.stop())
  const bj = await initNode({
    name: 'bj',
    address,
    settings: {
      outside: { 'dns-servers': [dns.resolver] },
      listen: { smtp: 25, https: 443 },
      acme: { ...authority.settings, names: ['bj.test.com', ...shared] },
    },
  })
  stage.add(bj)
  await bj.start()
  await bj.must(['domain', 'set', 'test.com', '--mta-sts', 'enforce'])
  const root = join(authority.directory, 'root.pem')
  writeFileSync(root, await authority.rootCertificate())

  let lines: string[] = []
  const publish = (zone: readonly string[]) => dns.set('test.com', { lines: zone, signing: 'signed' })
  async function check(): Promise<Finding[]> {
    const { stdout, code } = await bj.command(['dns', '--check', '--json'], { env: { NODE_EXTRA_CA_CERTS: root } })
    const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] }
    assert.equal(code, ok ? 0 : 1)
    return findings
  }
  const notRight = (findings: Finding[]) =>
    findings.filter(({ state }) => state !== 'right').map(({ name, type, state }) => `${state} ${type} ${name}`)

  await stage.step('what is printed is published, and every check is right', async () => {
    await eventually(async () => !(await bj.json<{ selfMade: boolean }>(['tls'])).selfMade, {
      what: `a certificate: ${bj.log}`,
      deadlineMs: 60_000,
    })
    const plan = await eventually(
      async () => {
        const { stdout } = await bj.must(['dns'])
        return stdout.includes('._domainkey.') ? stdout : undefined
      },
      { what: 'the keys that sign letters' },
    )
    lines = plan.split('\n').filter((line) => / IN /.test(line))
    await publish(lines)
    const findings = await check()
    assert.deepEqual(notRight(findings), [], JSON.stringify(findings, null, 1))
    for (const type of ['MX', 'TXT', 'SRV', 'A', 'CNAME', 'TLSA', 'DNSSEC', 'HTTPS', 'SMTP']) {
      assert.ok(
        findings.some((one) => one.type === type),
        `${type} was looked at`,
      )
    }
  })

  const without = (pick: RegExp, ...more: string[]) => [...lines.filter((line) => !pick.test(line)), ...more]
  const broken: [what: string, zone: () => string[], expected: string][] = [
    [
      'TLSA of another key',
      () => without(/ TLSA /, `_25._tcp.bj TLSA 3 1 1 ${'0'.repeat(64)}`),
      'wrong TLSA _25._tcp.bj.test.com',
    ],
    ['no TLSA', () => without(/ TLSA /), 'missing TLSA _25._tcp.bj.test.com'],
    [
      'another policy’s id',
      () => without(/_mta-sts/, '_mta-sts TXT "v=STSv1; id=old;"'),
      'wrong TXT _mta-sts.test.com',
    ],
    [
      'SPF that goes in a circle',
      () => without(/v=spf1/, '@ TXT "v=spf1 include:test.com -all"'),
      'wrong TXT test.com',
    ],
    ['no DMARC', () => without(/_dmarc/), 'missing TXT _dmarc.test.com'],
  ]
  for (const [what, zone, expected] of broken) {
    await stage.step(`${what} is told, and what the fix says makes it right again`, async () => {
      await publish(zone())
      const findings = await check()
      assert.deepEqual(notRight(findings), [expected])
      const fault = findings.find(({ state }) => state !== 'right')
      assert.ok(fault?.fix)
      const fixes = (fault.publish ?? []).map(
        ({ name, type, value }) => `${name}. ${type} ${type === 'TXT' ? `"${value}"` : value}`,
      )
      const place = new RegExp(
        `^(?:${fault.name.replaceAll('.', '\\.')}\\.|@|${fault.name.replace('.test.com', '')}) .*${fault.type}`,
      )
      await publish([...zone().filter((line) => !place.test(line)), ...fixes])
      assert.deepEqual(notRight(await check()), [])
    })
  }

  await stage.step('a zone whose signatures are wrong is not taken for an empty one', async () => {
    await dns.set('test.com', { lines, signing: 'bogus' })
    const states = (await check()).filter(({ type }) => type !== 'SMTP' && type !== 'HTTPS').map(({ state }) => state)
    assert.deepEqual([...new Set(states)], ['unknown'])
  })

  await stage.step('a zone without signatures: TLSA is of no use, and said so', async () => {
    await dns.set('test.com', { lines, signing: 'unsigned' })
    assert.deepEqual(notRight(await check()).sort(), ['advice DNSSEC test.com', 'advice TLSA _25._tcp.bj.test.com'])
    await publish(lines)
  })
})

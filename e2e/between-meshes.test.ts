// Two meshes that know each other by nothing but the DNS: each publishes what its `skein dns` prints, in signed zones, and letters
// go both ways under DANE; where a zone is not signed, under the MTA-STS policy that its node serves.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loopbackAddress } from './harness/addresses.ts'
import { DnsWorld, type Zone, dnsWorldPrograms } from './harness/dns-world.ts'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, initNode } from './harness/skein.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'
import { TestAuthority } from './harness/test-authority.ts'
import { skipWithout } from './system-packages.ts'

/** What this mesh prints for its domain, as a zone. */
async function zoneOf(node: SkeinNode, domain: string, signing: Zone['signing']): Promise<Zone> {
  const { stdout } = await node.must(['dns', '--domain', domain])
  const lines = stdout.split('\n').filter((line) => (line.split(' ')[0] ?? '').endsWith(`${domain}.`))
  return { lines, ...(signing ? { signing } : {}) }
}

async function send(node: SkeinNode, from: string, to: string): Promise<string> {
  const { id, text } = letter(from, to, 'Between two flocks')
  const session = await submissionTo(node, from)
  await session.send(from, [to], text)
  await session.quit()
  return id
}

test('letters between two meshes', { timeout: 120_000, skip: skipWithout(...dnsWorldPrograms) }, async (t) => {
  const stage = new Stage(t)
  const authority = await TestAuthority.create()
  const world = await DnsWorld.start({})
  stage.cleanup(() => world.stop())
  const names = ['here', 'there'] as const
  const nodes: Record<string, SkeinNode> = {}
  for (const name of names) {
    const domain = `${name}.test`
    const { cert, key } = await authority.issue(`${name}1.${domain}`, `mta-sts.${domain}`)
    const node = await initNode({
      name: `${name}1`,
      domains: [domain],
      address: await loopbackAddress(),
      settings: {
        outside: { 'dns-servers': [world.resolver], authorities: authority.file },
        // Where the world looks for them: MX and MTA-STS know no other ports.
        listen: { smtp: 25, https: 443 },
        tls: { cert, key },
      },
    })
    stage.add(node)
    await node.start()
    await node.must(['user', 'add', `goose@${domain}`, '--password-stdin'], { input: `${password}\n` })
    nodes[name] = node
  }
  const { here, there } = nodes as Record<(typeof names)[number], SkeinNode>

  const crosses = async (from: SkeinNode, fromUser: string, to: SkeinNode, toUser: string, how: string) => {
    const id = await send(from, fromUser, toUser)
    await eventually(async () => (await from.rawJson(['trace', id])).includes(how), {
      what: `"${how}" in the trace`,
      deadlineMs: 30_000,
    })
    await using imap = await imapOf(to, toUser)
    const folders = ['INBOX', 'Junk']
    const arrived = await eventually(
      async () => {
        for (const folder of folders) {
          if ((await imap.select(folder)) === 0) continue
          const bodies = [...(await imap.fetchBodies('1:*')).values()]
          const found = bodies.find((bytes) => bytes.includes(id))
          if (found) return found.toString()
        }
        return undefined
      },
      { what: `the letter ${id} at ${toUser}` },
    )
    assert.match(arrived, /^Received: from \S+ .*?\bwith ESMTPS\b/ms)
  }

  await stage.step('signed zones with what `skein dns` prints: DANE both ways', async () => {
    await world.set('here.test', await zoneOf(here, 'here.test', 'signed'))
    await world.set('there.test', await zoneOf(there, 'there.test', 'signed'))
    await crosses(here, 'goose@here.test', there, 'goose@there.test', 'verified by DANE')
    await crosses(there, 'goose@there.test', here, 'goose@here.test', 'verified by DANE')
  })

  await stage.step('an unsigned zone: the MTA-STS policy that the node serves is fetched and kept to', async () => {
    await there.must(['domain', 'set', 'there.test', '--mta-sts', 'enforce'])
    await world.set('there.test', await zoneOf(there, 'there.test', 'unsigned'))
    await crosses(here, 'goose@here.test', there, 'goose@there.test', 'verified as MTA-STS asks')
  })
})

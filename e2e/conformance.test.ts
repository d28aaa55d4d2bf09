// Plays the scripted sessions of e2e/conformance/sessions against a real mesh: at the home of the account that
// each has for itself, and at another node.
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { runTranscript, tcpConnect } from '@skein/testkit'
import { sessionSteps } from './conformance/session-steps.ts'
import { ImapClient } from './harness/imap-client.ts'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, ports, startMesh } from './harness/skein.ts'
import { Stage } from './harness/stage.ts'

const folder = new URL('conformance/sessions/', import.meta.url)
const password = 'wild-geese-42'

/** First line `#! {…}` of a script. */
interface ScriptSettings {
  /** Capabilities without which the script makes no sense; as they are said after login. */
  needs?: string[]
}

async function capabilitiesOf(node: SkeinNode, user: string): Promise<Set<string>> {
  await using client = await ImapClient.login({ host: node.address, port: ports.imap }, user, password)
  const { untagged } = await client.must('CAPABILITY')
  return new Set(untagged.flatMap(({ text }) => text.split(' ').slice(2)))
}

// `SKEIN_SESSIONS=expunge node --test e2e/conformance.test.ts` plays those with that in their name.
test('scripted sessions', { timeout: 300_000 }, async (t) => {
  const stage = new Stage(t)
  const [home, other] = (await startMesh(['home', 'other'])) as [SkeinNode, SkeinNode]
  stage.add(home, other)
  await home.addUser('first@test.com', password)
  const capabilities = await capabilitiesOf(home, 'first@test.com')
  const only = process.env['SKEIN_SESSIONS'] ?? ''
  const files = readdirSync(folder).filter((name) => name.endsWith('.txt') && name.includes(only))
  const play = async (file: string, text: string, node: SkeinNode) => {
    const user = `${file.replace('.txt', '')}-${node.name}@test.com`
    await home.ask('user.add', { address: user, password, role: 'user', displayName: '' })
    const known = async () =>
      (await node.ask<{ address: string }[]>('user.list')).some(({ address }) => address === user)
    await eventually(known, { what: `${user} on ${node.name}` })
    const steps = sessionSteps({ home, node, user, password })
    await runTranscript(text, tcpConnect(ports.imap, { host: node.address }), { steps, values: { user, password } })
  }
  for (const node of [other, home]) {
    for (const file of files) {
      const text = readFileSync(new URL(file, folder), 'utf8')
      const { needs = [] } = JSON.parse(/^#! (.*)$/m.exec(text)?.[1] ?? '{}') as ScriptSettings
      const missing = needs.filter((name) => !capabilities.has(name))
      // The home's restart is a matter of its own, and another node has to find it again first.
      if (node === other && /^@(crash|restart)/m.test(text)) continue
      const name = node === home ? file : `at another node: ${file}`
      const skip = missing.length > 0 && `the node does not have ${missing.join(', ')}`
      await stage.independent(name, () => play(file, text, node), skip)
    }
  }
})

// Plays the scripted sessions of e2e/conformance/sessions against a real node, each with an account of its own.
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { runTranscript, tcpConnect } from '@skein/testkit'
import { sessionSteps } from './conformance/session-steps.ts'
import { ImapClient } from './harness/imap-client.ts'
import { type SkeinNode, ports, startNode } from './harness/skein.ts'
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
  const node = await startNode({ name: 'conformance', users: { 'first@test.com': password } })
  stage.add(node)
  const capabilities = await capabilitiesOf(node, 'first@test.com')
  const only = process.env['SKEIN_SESSIONS'] ?? ''
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.txt') && name.includes(only))) {
    const text = readFileSync(new URL(file, folder), 'utf8')
    const { needs = [] } = JSON.parse(/^#! (.*)$/m.exec(text)?.[1] ?? '{}') as ScriptSettings
    const missing = needs.filter((name) => !capabilities.has(name))
    const body = async () => {
      const user = `${file.replace('.txt', '')}@test.com`
      await node.addUser(user, password)
      const connect = tcpConnect(ports.imap, { host: node.address })
      await runTranscript(text, connect, {
        steps: sessionSteps({ node, user, password }),
        values: { user, password },
      })
    }
    await stage.independent(file, body, missing.length > 0 && `the node does not have ${missing.join(', ')}`)
  }
})

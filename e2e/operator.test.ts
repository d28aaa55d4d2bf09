// What an operator does on one node holds on every node at once: domains, aliases, passwords, removal, imports, the queue.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from './harness/poll.ts'
import { temporaryDirectory } from './harness/processes.ts'
import { type SkeinNode, ports, startMesh } from './harness/skein.ts'
import { SmtpClient } from './harness/smtp-client.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'

const aaa = 'aaa@test.com'
const bbb = 'bbb@test.com'
const outsider = 'someone@elsewhere.test'

async function fromOutside(node: SkeinNode, to: string, subject: string): Promise<number> {
  await using client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
  await client.ehlo()
  return (await client.send(outsider, [to], letter(outsider, to, subject).text)).code
}

async function rcptCode(node: SkeinNode, to: string): Promise<number> {
  await using client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
  await client.ehlo()
  await client.expect(`MAIL FROM:<${outsider}>`, 250)
  return (await client.command(`RCPT TO:<${to}>`)).code
}

async function subjects(node: SkeinNode, user: string): Promise<string[]> {
  await using client = await imapOf(node, user)
  return (await client.select('INBOX')) === 0 ? [] : await client.headerValues('Subject')
}

async function untilSubject(node: SkeinNode, user: string, subject: string): Promise<void> {
  await eventually(async () => (await subjects(node, user)).includes(subject), { what: `"${subject}" for ${user}` })
}

interface Waiting {
  id: string
  recipients: { address: string; state: string }[]
}

test('an operator’s word on one node holds on all', { timeout: 240_000 }, async (t) => {
  const stage = new Stage(t)
  let one: SkeinNode
  let two: SkeinNode

  await stage.step('two nodes, aaa on the first, bbb on the second', async () => {
    const nodes = await startMesh(['one', 'two'])
    stage.add(...nodes)
    ;[one, two] = nodes as [SkeinNode, SkeinNode]
    await one.addUser(aaa, password)
    // A user of the other node, added from here.
    await one.addUser(bbb, password, '--node', 'two')
    for (const node of nodes) {
      await eventually(async () => (await node.users()).length === 2, { what: `both users on ${node.name}` })
    }
    assert.deepEqual(
      (await two.users()).map(({ node }) => node),
      ['one', 'two'],
    )
  })

  await stage.step('a domain added here takes mail there', async () => {
    await one.must(['domain', 'add', '例子.test'])
    await eventually(async () => (await two.json<{ name: string }[]>(['domain', 'list'])).length === 2, {
      what: 'the new domain on the other node',
      deadlineMs: 5_000,
    })
    await two.addUser('ccc@xn--fsqu00a.test', password)
    assert.equal(await rcptCode(two, 'ccc@xn--fsqu00a.test'), 250)
    await eventually(async () => (await rcptCode(one, 'ccc@xn--fsqu00a.test')) === 250, { what: 'the user over there' })
    const inUse = await one.command(['domain', 'remove', '例子.test'])
    assert.equal(inUse.code, 1, 'a domain with users is not removed')
  })

  await stage.step('an alias for users of both nodes reaches each of them once', async () => {
    await two.must(['alias', 'add', 'team@test.com', aaa, bbb])
    await eventually(async () => (await rcptCode(one, 'team@test.com')) === 250, { what: 'the alias on node one' })
    assert.equal(await fromOutside(one, 'team@test.com', 'to the team'), 250)
    await untilSubject(one, aaa, 'to the team')
    await untilSubject(two, bbb, 'to the team')
    assert.equal((await subjects(two, bbb)).length, 1)
  })

  await stage.step('who stands behind an alias may send as it, others may not', async () => {
    await one.addUser('ddd@test.com', password)
    await using member = await submissionTo(one, aaa)
    await member.expect('MAIL FROM:<team@test.com>', 250)
    await using other = await submissionTo(one, 'ddd@test.com')
    assert.ok((await other.command('MAIL FROM:<team@test.com>')).code >= 500)
  })

  await stage.step('a tag behind the name goes to the same mailbox', async () => {
    assert.equal(await fromOutside(one, 'bbb+lists@test.com', 'tagged'), 250)
    await untilSubject(two, bbb, 'tagged')
  })

  await stage.step('a new password counts at once, the old one no more', async () => {
    await one.must(['user', 'set', aaa, '--password-stdin'], { input: 'another password 1\n' })
    await assert.rejects(imapOf(one, aaa), /NO/)
    await (await imapOf(one, aaa, 'another password 1')).logout()
    await one.must(['user', 'set', aaa, '--password-stdin'], { input: `${password}\n` })
    await (await imapOf(one, aaa)).logout()
  })

  await stage.step('a suspended user cannot log in, an active one can', async () => {
    await one.must(['user', 'set', aaa, '--state', 'suspended'])
    await assert.rejects(imapOf(one, aaa), /NO/)
    await eventually(async () => (await two.users()).find(({ address }) => address === aaa)?.state === 'suspended', {
      what: 'the state on the other node',
      deadlineMs: 5_000,
    })
    await one.must(['user', 'set', aaa, '--state', 'active'])
    await (await imapOf(one, aaa)).logout()
  })

  await stage.step('a letter for a silent node waits, is held, and goes when it is let go', async () => {
    await two.stop()
    assert.equal(await fromOutside(one, bbb, 'held'), 250)
    const [waiting] = await one.json<Waiting[]>(['queue', 'list'])
    assert.ok(waiting)
    assert.equal(waiting.recipients[0]?.address, bbb)
    await one.must(['queue', 'hold', waiting.id])
    await two.start()
    await eventually(async () => (await one.nodes()).find(({ name }) => name === 'two')?.state === 'up', {
      what: 'the other node up again',
    })
    assert.equal(await fromOutside(one, bbb, 'not held'), 250)
    await untilSubject(two, bbb, 'not held')
    const [held] = await one.json<Waiting[]>(['queue', 'list'])
    assert.equal(held?.recipients[0]?.state, 'held')
    assert.ok(!(await subjects(two, bbb)).includes('held'))
    await one.must(['queue', 'retry', waiting.id])
    await untilSubject(two, bbb, 'held')
  })

  await stage.step('a cancelled letter goes back to its sender with the reason', async () => {
    await two.stop()
    await using client = await submissionTo(one, aaa)
    assert.equal((await client.send(aaa, [bbb], letter(aaa, bbb, 'never mind').text)).code, 250)
    const [waiting] = await one.json<Waiting[]>(['queue', 'list'])
    assert.ok(waiting)
    await one.must(['queue', 'cancel', waiting.id])
    await two.start()
    const bounce = await eventually(
      async () => {
        await using reader = await imapOf(one, aaa)
        const count = await reader.select('INBOX')
        const body = [...(await reader.fetchBodies(`${count}`)).values()][0]?.toString('utf8') ?? ''
        return body.includes('multipart/report') ? body : undefined
      },
      { what: 'the bounce for aaa' },
    )
    assert.match(bounce, /^Return-Path: <>\r$/m)
    assert.match(bounce, /Final-Recipient: rfc822; ?bbb@test\.com/i)
    assert.match(bounce, /Subject: never mind/)
    assert.deepEqual(await one.json<Waiting[]>(['queue', 'list']), [])
  })

  await stage.step('an import takes what is right, names what is wrong, and is known over there', async () => {
    const before = (await two.users()).length
    const lines = Array.from({ length: 2_000 }, (_, index) => `import${index}@test.com`)
    lines[99] = 'no address at all'
    lines[199] = 'someone@elsewhere.test'
    lines[299] = aaa
    const file = join(temporaryDirectory('import'), 'users.txt')
    writeFileSync(file, `${lines.join('\n')}\n`)
    const result = await one.command(['user', 'import', file, '--json'])
    assert.equal(result.code, 1)
    const outcome = JSON.parse(result.stdout) as { added: number; refused: { line: number }[] }
    assert.equal(outcome.added, 1_997)
    assert.deepEqual(
      outcome.refused.map(({ line }) => line).sort((a, b) => a - b),
      [100, 200, 300],
    )
    await eventually(async () => (await two.users()).length === before + 1_997, {
      what: 'the imported users on the other node',
      deadlineMs: 10_000,
    })
    assert.equal(await one.rawJson(['user', 'list']), await two.rawJson(['user', 'list']))
    assert.equal(await rcptCode(two, 'import1999@test.com'), 250)
  })

  await stage.step('a removed user is unknown everywhere', async () => {
    await one.must(['user', 'remove', 'ddd@test.com'])
    await eventually(async () => (await rcptCode(two, 'ddd@test.com')) === 550, {
      what: 'refusal on the other node',
      deadlineMs: 5_000,
    })
    assert.equal(await rcptCode(one, 'ddd@test.com'), 550)
    await assert.rejects(imapOf(one, 'ddd@test.com'), /NO/)
  })
})

// What an address means, on real nodes: catch-all, domain alias, roles, forwards to the world outside and back, dead addresses.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OutsideWorld } from './harness/outside-world.ts'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, ports, startMesh } from './harness/skein.ts'
import { SmtpClient } from './harness/smtp-client.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'

const anna = 'anna@test.com'
const bert = 'bert@test.com'
const outsider = 'Outsider@elsewhere.example'

async function mx(node: SkeinNode): Promise<SmtpClient> {
  const client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
  await client.ehlo()
  return client
}

/** What a stranger is told at RCPT. */
async function rcpt(node: SkeinNode, to: string, from = outsider): Promise<string> {
  await using client = await mx(node)
  await client.expect(`MAIL FROM:<${from}>`, 250)
  return (await client.command(`RCPT TO:<${to}>`)).text
}

async function send(node: SkeinNode, to: string, subject: string, from = outsider, top = ''): Promise<string> {
  await using client = await mx(node)
  return (await client.send(from, [to], top + letter(outsider, to, subject).text)).text
}

async function subjects(node: SkeinNode, user: string): Promise<string[]> {
  await using client = await imapOf(node, user)
  return (await client.select('INBOX')) === 0 ? [] : await client.headerValues('Subject')
}

async function arrives(node: SkeinNode, user: string, subject: string): Promise<void> {
  await eventually(async () => (await subjects(node, user)).includes(subject), { what: `"${subject}" for ${user}` })
}

/** The settings travel to the other node. */
async function said(node: SkeinNode, to: string, start: string, from = outsider): Promise<void> {
  await eventually(async () => (await rcpt(node, to, from)).startsWith(start), {
    what: `${start} for ${to} on ${node.name}`,
  })
}

test('addresses that lead elsewhere, here and outside', { timeout: 240_000 }, async (t) => {
  const stage = new Stage(t)
  const world = await OutsideWorld.open()
  stage.cleanup(() => world.close())
  let one: SkeinNode
  let two: SkeinNode

  await stage.step('two nodes; anna, who is an admin, on the first, bert on the second', async () => {
    const nodes = await startMesh(['one', 'two'], { settings: { 'outside.routes': { '"*"': world.route } } })
    stage.add(...nodes)
    ;[one, two] = nodes as [SkeinNode, SkeinNode]
    await one.addUser(anna, password, '--role', 'admin')
    await two.addUser(bert, password)
    await said(one, bert, '250')
    await said(two, anna, '250')
  })

  await stage.step('a user who asks for copies under Sent submits at the other node', async () => {
    await one.must(['user', 'set', bert, '--save-sent', 'true'])
    const asked = async () => (await one.ask<{ saveSent?: true }[]>('user.list')).some(({ saveSent }) => saveSent)
    await eventually(asked, { what: 'the setting on node one' })
    await using client = await submissionTo(one, bert)
    assert.match((await client.send(bert, [anna], letter(bert, anna, 'filed under Sent').text)).text, /^250/)
    await arrives(one, anna, 'filed under Sent')
    await one.must(['user', 'set', bert, '--save-sent', 'false'])
  })

  await stage.step('a catch-all gets what nobody has; users of the other node and roles keep theirs', async () => {
    await said(one, 'whoever@test.com', '550 5.1.1')
    await two.must(['domain', 'set', 'test.com', '--catch-all', bert])
    await said(one, 'whoever@test.com', '250')
    assert.match(await send(one, 'whoever@test.com', 'for nobody'), /^250/)
    assert.match(await send(two, anna, 'for anna'), /^250/)
    // The admin lives on the first node; the second one takes mail for the roles all the same.
    await said(two, 'postmaster@test.com', '250')
    assert.match(await send(two, 'abuse@test.com', 'for abuse'), /^250/)
    await arrives(two, bert, 'for nobody')
    await arrives(one, anna, 'for anna')
    await arrives(one, anna, 'for abuse')
    assert.deepEqual(await subjects(two, bert), ['for nobody'])
    await one.must(['domain', 'set', 'test.com', '--catch-all', 'none'])
    await said(two, 'whoever@test.com', '550 5.1.1')
  })

  await stage.step('a domain that stands for another: its users receive and send under both', async () => {
    await one.must(['domain', 'add', 'shop.example', '--alias-of', 'test.com'])
    await said(two, 'anna+x@shop.example', '250')
    await said(two, 'whoever@shop.example', '550 5.1.1')
    assert.match(await send(two, 'Anna+x@Shop.Example', 'through the shop'), /^250/)
    await arrives(one, anna, 'through the shop')
    await using client = await submissionTo(two, bert)
    const mine = await client.send('bert@shop.example', [anna], letter('bert@shop.example', anna, 'from the shop').text)
    assert.match(mine.text, /^250/)
    const others = await client.send('anna@shop.example', [bert], letter('anna@shop.example', bert, 'not mine').text)
    assert.match(others.text, /^553/)
    await arrives(one, anna, 'from the shop')
    const domains = await two.json<{ name: string; aliasOf?: string }[]>(['domain', 'list'])
    assert.equal(domains.find(({ name }) => name === 'shop.example')?.aliasOf, 'test.com')
  })

  let returnAddress = ''
  await stage.step('an alias to one of ours and one outside: the letter leaves under a sender of ours', async () => {
    await one.must(['alias', 'add', 'sales@test.com', `${anna},boss@other.example`])
    await said(two, 'sales@test.com', '250')
    assert.match(await send(two, 'sales@test.com', 'for sales'), /^250/)
    await arrives(one, anna, 'for sales')
    const sent = await eventually(() => world.to('boss@other.example')[0], { what: 'the letter outside' })
    assert.match(sent.from, /^SRS0=[a-z2-7]{8}=[a-z2-7]{2}=elsewhere\.example=Outsider@test\.com$/)
    assert.match(sent.text, /^Delivered-To: sales@test\.com\r\nReceived: /)
    returnAddress = sent.from
  })

  await stage.step(
    'a bounce comes through the other node and goes to the sender; forged ones and relaying are refused',
    async () => {
      assert.match(await send(one, returnAddress.toLowerCase(), 'undelivered', ''), /^250/)
      const back = await eventually(() => world.to('outsider@elsewhere.example')[0], { what: 'the bounce' })
      assert.equal(back.from, '')
      assert.match(back.text, /Subject: undelivered/)
      assert.match(await rcpt(one, returnAddress), /^550 5\.7\.1/)
      assert.match(await rcpt(one, returnAddress.replace('Outsider', 'victim'), ''), /^550 5\.7\.1/)
      assert.match(await rcpt(two, 'SRS0=aaaaaaaa=aa=elsewhere.example=x@test.com', ''), /^550 5\.7\.1/)
    },
  )

  await stage.step('a user sends his mail on, with and without keeping it', async () => {
    await one.must(['user', 'set', bert, '--forward', 'bert@away.example'])
    await eventually(async () => (await one.ask<{ forward?: unknown }[]>('user.list')).some(({ forward }) => forward), {
      what: 'the forward on node one',
    })
    assert.match(await send(one, bert, 'kept and sent on'), /^250/)
    await arrives(two, bert, 'kept and sent on')
    await eventually(() => world.to('bert@away.example').length === 1, { what: 'the copy outside' })
    await two.must(['user', 'set', bert, '--no-keep'])
    assert.match(await send(two, bert, 'only sent on'), /^250/)
    await eventually(() => world.to('bert@away.example').length === 2, { what: 'the letter outside' })
    assert.ok(!(await subjects(two, bert)).includes('only sent on'))
  })

  await stage.step('who is away sends it back: it stays here, once, and nobody is told anything', async () => {
    const before = world.letters.length
    world.onLetter = async ({ from, to, text }) => {
      if (!to.includes('bert@away.example')) return undefined
      await using client = await mx(one)
      const reply = await client.send(
        from,
        [bert],
        `Received: by away.example; Mon, 30 Nov 2026 09:00:00 +0000\r\n${text}`,
      )
      return reply.code === 250 ? undefined : `554 5.4.6 ${reply.text}`
    }
    assert.match(await send(two, bert, 'round and round'), /^250/)
    await arrives(two, bert, 'round and round')
    await eventually(async () => (await two.json<unknown[]>(['queue', 'list'])).length === 0, {
      what: 'an empty queue',
    })
    assert.equal((await subjects(two, bert)).filter((subject) => subject === 'round and round').length, 1)
    assert.equal(world.letters.length, before + 1)
    world.onLetter = async () => undefined
  })

  await stage.step('an alias whose letter comes back: refused there, one notice to the sender', async () => {
    await two.must(['alias', 'add', 'loop@test.com', 'loop@away.example'])
    await said(one, 'loop@test.com', '250')
    const refusals: string[] = []
    world.onLetter = async ({ from, to, text }) => {
      if (!to.includes('loop@away.example')) return undefined
      await using client = await mx(two)
      const reply = await client.send(from, ['loop@test.com'], text)
      refusals.push(reply.text)
      return `554 5.4.6 ${reply.text}`
    }
    const before = world.to(outsider).length
    assert.match(await send(one, 'loop@test.com', 'in a circle'), /^250/)
    await eventually(() => world.to(outsider).length === before + 1, { what: 'the notice' })
    const notice = world.to(outsider).at(-1)
    assert.equal(notice?.from, '')
    assert.match(notice.text, /Status: 5\.4\.6/)
    assert.equal(refusals.length, 1)
    assert.match(refusals[0] ?? '', /^554 5\.4\.6/)
    world.onLetter = async () => undefined
  })

  await stage.step(
    'three letters come back from a dead address: the next one is refused, until an operator clears it',
    async () => {
      const ghost = 'ghost@dead.example'
      world.onRecipient = (address) => (address === ghost ? '550 5.1.1 nobody has that name' : undefined)
      const inform = async () => {
        await using client = await submissionTo(two, bert)
        return (await client.send(bert, [ghost], letter(bert, ghost, 'are you there').text)).text
      }
      interface Listed {
        addresses: { address: string; node: string; failures: unknown[]; refusedUntilMs: number }[]
      }
      const listed = async () =>
        (await one.json<Listed>(['suppression', 'list'])).addresses.find(({ address }) => address === ghost)
      for (const count of [1, 2, 3]) {
        assert.match(await inform(), /^250/)
        await eventually(async () => (await listed())?.failures.length === count, { what: `${count} failures` })
      }
      assert.match(await inform(), /^550 5\.1\.1 3 letters to that address came back lately/)
      await two.restart()
      assert.match(await inform(), /^550 5\.1\.1/)
      assert.equal((await listed())?.node, 'two')
      const removed = await one.json<{ nodes: string[] }>(['suppression', 'remove', ghost])
      assert.deepEqual(removed.nodes, ['two'])
      assert.match(await inform(), /^250/)
      const unknown = await one.command(['suppression', 'remove', 'other@dead.example'])
      assert.equal(unknown.code, 1)
    },
  )

  await stage.step('the copy is under Sent, once and read, when a minute has passed', async () => {
    await using client = await imapOf(two, bert)
    await eventually(async () => (await client.select('Sent')) === 1, { what: 'the copy', deadlineMs: 90_000 })
    assert.deepEqual(await client.headerValues('Subject'), ['filed under Sent'])
    assert.ok(!(await subjects(two, bert)).includes('filed under Sent'))
  })

  await stage.step('what makes no sense is refused with a sentence', async () => {
    for (const [args, text] of [
      [['domain', 'set', 'test.com', '--alias-of', 'shop.example'], /can’t be stood for/],
      [['domain', 'set', 'shop.example', '--catch-all', bert], /stands for test\.com/],
      [['domain', 'set', 'test.com', '--catch-all', 'nobody'], /not a mail address/],
      [['user', 'set', anna, '--keep'], /goes on to nobody/],
      [['user', 'set', anna, '--forward', 'x@'], /not a mail address/],
      [['domain', 'remove', 'test.com'], /stands for test\.com|users or aliases/],
    ] as const) {
      const result = await one.command(args)
      assert.equal(result.code, 1, args.join(' '))
      assert.match(result.stderr, text)
    }
  })
})

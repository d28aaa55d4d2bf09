import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DoorAnswer, Doorkeeper, Refusal } from '@skein/filtering'
import { type TestServer, type WireClient, account, password, startServer } from '../test/server-fixture.ts'
import type { SmtpRole } from './house.ts'

type Step = 'sender' | 'recipient' | 'refusedRecipient'
type Answers = Partial<Record<Step, (what: string) => DoorAnswer>> & { greet?: () => Refusal | null }

interface ScriptedDoor extends Doorkeeper {
  /** What was asked, in order. */
  readonly asked: string[]
}

function scriptedDoor(answers: Answers = {}): ScriptedDoor {
  const asked: string[] = []
  const ask = (step: Step, what: string): DoorAnswer => {
    asked.push(`${step} ${what}`.trim())
    return answers[step]?.(what) ?? null
  }
  return {
    asked,
    enter: ({ role }) => ({
      remoteName: 'client.in.dns',
      greet: () => {
        asked.push(`greet ${role}`)
        return answers.greet?.() ?? null
      },
      hello: (name) => void asked.push(`hello ${name}`),
      sender: (from, accountId) => ask('sender', accountId === null ? from : `${from} of ${accountId}`),
      recipient: (to) => ask('recipient', to),
      refusedRecipient: () => ask('refusedRecipient', ''),
      letter: (outcome) => void asked.push(`letter ${outcome}`),
      leave: () => void asked.push('leave'),
    }),
    stats: () => ({ visits: 0, refused: {}, tarpit: { waiting: 0, entered: 0 }, bans: 0, records: 0 }),
  }
}

const refusal = (code: number, status: string): Refusal => ({ reason: 'test', code, status, text: 'not you' })

/** An answer that comes when the test says so. */
function late(): { answer: Promise<Refusal | null>; come(refusal: Refusal | null): void } {
  let come: (refusal: Refusal | null) => void = () => {}
  const answer = new Promise<Refusal | null>((resolve) => {
    come = resolve
  })
  return { answer, come: (given) => come(given) }
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!holds()) {
    assert.ok(performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function open(door: Doorkeeper, role: SmtpRole = 'mx'): Promise<TestServer> {
  return startServer(role, { greetingPauseMs: 0 }, { doorkeeper: door })
}

async function greeted(there: TestServer): Promise<WireClient> {
  const client = await there.client()
  assert.match(await client.reply(), /^220/)
  assert.match(await client.command('EHLO client.example'), /^250/)
  return client
}

test('each step is asked, and the host name reaches the letter', async () => {
  const door = scriptedDoor()
  await using there = await open(door)
  const client = await greeted(there)
  assert.match(await client.command('MAIL FROM:<a@b.example>'), /^250/)
  assert.match(await client.command('RCPT TO:<x@test.example>'), /^250/)
  assert.match(await client.command('DATA'), /^354/)
  assert.match(await client.command('x\r\n.'), /^250/)
  assert.match(await client.command('QUIT'), /^221/)
  assert.equal(await client.reply(), '')
  await until(() => door.asked.includes('leave'))
  assert.deepEqual(door.asked, [
    'greet mx',
    'hello client.example',
    'sender a@b.example',
    'recipient x@test.example',
    'letter taken',
    'leave',
  ])
  assert.equal(there.intake.letters[0]?.envelope.source.remoteName, 'client.in.dns')
})

for (const [code, status] of [
  [554, '5.7.1'],
  [421, '4.7.1'],
] as const) {
  test(`refused with ${code} before the greeting: one line, and the connection ends`, async () => {
    await using there = await open(scriptedDoor({ greet: () => refusal(code, status) }))
    const client = await there.client()
    client.write('EHLO x\r\nMAIL FROM:<a@b.example>\r\n')
    assert.equal(await client.reply(), `${code} ${status} not you`)
    assert.equal(await client.reply(), '')
  })
}

test('a sender is refused, and the session goes on', async () => {
  await using there = await open(
    scriptedDoor({ sender: (from) => (from === 'bad@b.example' ? refusal(550, '5.7.1') : null) }),
  )
  const client = await greeted(there)
  assert.equal(await client.command('MAIL FROM:<bad@b.example>'), '550 5.7.1 not you')
  assert.match(await client.command('RCPT TO:<x@test.example>'), /^503/)
  assert.match(await client.command('MAIL FROM:<good@b.example>'), /^250/)
})

test('a recipient whom the door refuses is not in the envelope; the others are', async () => {
  const door = scriptedDoor({ recipient: (to) => (to.startsWith('y') ? refusal(451, '4.7.1') : null) })
  await using there = await open(door)
  const client = await greeted(there)
  client.write(
    'MAIL FROM:<a@b.example>\r\n' +
      ['x', 'y', 'z', 'x', 'y'].map((name) => `RCPT TO:<${name}@test.example>\r\n`).join('') +
      'DATA\r\n',
  )
  assert.deepEqual(
    (await client.replies(7)).map((reply) => reply.slice(0, 3)),
    ['250', '250', '451', '250', '250', '451', '354'],
  )
  assert.match(await client.command('x\r\n.'), /^250/)
  assert.deepEqual(there.intake.letters[0]?.envelope.recipients, ['x@test.example', 'z@test.example'])
  // The one named twice is asked for once.
  assert.deepEqual(
    door.asked.filter((step) => step.startsWith('recipient')).map((step) => step.at(10)),
    ['x', 'y', 'z', 'y'],
  )
})

test('where all recipients are refused there is no DATA', async () => {
  await using there = await open(scriptedDoor({ recipient: () => refusal(451, '4.7.1') }))
  const client = await greeted(there)
  assert.match(await client.command('MAIL FROM:<a@b.example>'), /^250/)
  assert.match(await client.command('RCPT TO:<x@test.example>'), /^451 4\.7\.1/)
  assert.match(await client.command('DATA'), /^554/)
})

test('a late answer holds up its own session only, and pipelined commands keep their order', async () => {
  const wait = late()
  const door = scriptedDoor({ refusedRecipient: () => wait.answer, recipient: () => null })
  await using there = await open(door)
  const slow = await greeted(there)
  slow.write('MAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@test.example>\r\nRCPT TO:<x@test.example>\r\nNOOP\r\n')
  assert.match(await slow.reply(), /^250/)
  const other = await greeted(there)
  assert.match(await other.command('MAIL FROM:<a@b.example>'), /^250/)
  assert.match(await other.command('RCPT TO:<x@test.example>'), /^250/)
  assert.equal(slow.unread, '')
  wait.come(null)
  assert.deepEqual(
    (await slow.replies(3)).map((reply) => reply.slice(0, 3)),
    ['550', '250', '250'],
  )
})

test('a late 421 ends the session, whatever else was sent', async () => {
  const wait = late()
  await using there = await open(scriptedDoor({ refusedRecipient: () => wait.answer }))
  const client = await greeted(there)
  client.write('MAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@test.example>\r\nNOOP\r\nNOOP\r\n')
  assert.match(await client.reply(), /^250/)
  wait.come(refusal(421, '4.7.1'))
  assert.equal(await client.reply(), '421 4.7.1 not you')
  assert.equal(await client.reply(), '')
})

test('who leaves while it waits is gone, and the answer that comes then does no harm', async () => {
  const wait = late()
  const door = scriptedDoor({ sender: () => wait.answer })
  await using there = await open(door)
  const client = await greeted(there)
  client.write('MAIL FROM:<a@b.example>\r\n')
  await until(() => door.asked.includes('sender a@b.example'))
  client.socket.resetAndDestroy()
  await until(() => door.asked.includes('leave'))
  wait.come(null)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(there.server.connections(), 0)
})

test('a slip of the pen is no guess; an unknown recipient is', async () => {
  const door = scriptedDoor()
  await using there = await open(door)
  const client = await greeted(there)
  assert.match(await client.command('RCPT TO:<x@test.example>'), /^503/)
  assert.match(await client.command('MAIL FROM:<a@b.example>'), /^250/)
  assert.match(await client.command('RCPT TO:<>'), /^501/)
  assert.match(await client.command('RCPT TO:<x@test.example> FOO=1'), /^555/)
  assert.ok(!door.asked.includes('refusedRecipient'))
  assert.match(await client.command('RCPT TO:<nobody@test.example>'), /^550/)
  assert.ok(door.asked.includes('refusedRecipient'))
})

test('a letter that is refused at its end is told to the door', async () => {
  const door = scriptedDoor()
  await using there = await open(door)
  const client = await greeted(there)
  client.write('MAIL FROM:<a@b.example>\r\nRCPT TO:<x@test.example>\r\nDATA\r\n')
  await client.replies(3)
  assert.match(await client.command('a\nb\r\n.'), /^550/)
  assert.equal(door.asked.at(-1), 'letter refused')
})

test('a letter that is taken as junk is no good deed', async () => {
  const door = scriptedDoor()
  await using there = await open(door)
  const begin = there.intake.begin
  there.intake.begin = (envelope) => {
    const writer = begin(envelope)
    return { ...writer, finish: async () => ({ ...(await writer.finish()), junk: true }) }
  }
  const client = await greeted(there)
  client.write('MAIL FROM:<a@b.example>\r\nRCPT TO:<x@test.example>\r\nDATA\r\n')
  await client.replies(3)
  assert.match(await client.command('x\r\n.'), /^250/)
  assert.equal(door.asked.at(-1), 'letter junk')
})

test('who is behind a proxy comes to the door by himself', async () => {
  const visitors: string[] = []
  const door = scriptedDoor()
  const counting: Doorkeeper = {
    ...door,
    enter(visitor) {
      visitors.push(visitor.remoteAddress)
      const visit = door.enter(visitor)
      const isBlocked = visitor.remoteAddress === '192.0.2.66'
      return visit && { ...visit, greet: () => (isBlocked ? refusal(554, '5.7.1') : visit.greet()) }
    },
  }
  await using there = await startServer(
    'mx',
    { greetingPauseMs: 0, xclientAddresses: ['127.0.0.1'] },
    { doorkeeper: counting },
  )
  const client = await greeted(there)
  assert.match(await client.command('XCLIENT ADDR=192.0.2.9'), /^220/)
  assert.match(await client.command('EHLO x'), /^250/)
  assert.equal(await client.command('XCLIENT ADDR=192.0.2.66'), '554 5.7.1 not you')
  assert.equal(await client.reply(), '')
  assert.deepEqual(visitors, ['127.0.0.1', '192.0.2.9', '192.0.2.66'])
  await until(() => door.asked.filter((step) => step === 'leave').length === 3)
})

test('submission: the door knows who has logged in', async () => {
  const door = scriptedDoor({ recipient: () => refusal(452, '4.7.1') })
  await using there = await open(door, 'submission')
  const client = await greeted(there)
  const plain = Buffer.from(`\0${account.address}\0${password}`).toString('base64')
  assert.match(await client.command(`AUTH PLAIN ${plain}`), /^235/)
  assert.match(await client.command(`MAIL FROM:<${account.address}>`), /^250/)
  assert.match(await client.command('RCPT TO:<x@test.example>'), /^452 4\.7\.1/)
  assert.deepEqual(door.asked.slice(0, 3), [
    'greet submission',
    'hello client.example',
    `sender ${account.address} of ${account.id}`,
  ])
})

test('LMTP is not asked for anything', async () => {
  const door = scriptedDoor({ greet: () => refusal(554, '5.7.1') })
  await using there = await open(door, 'lmtp')
  const client = await there.client()
  assert.match(await client.reply(), /^220/)
  assert.deepEqual(door.asked, [])
})

// What a sender asks for with a letter: notices of success (RFC 3461), release in the future (RFC 4865), a time to deliver by
// (RFC 2852), priority (RFC 6710).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDsn } from '@skein/mail'
import { letter, twoNodes, type MeshFixture } from './mesh-fixture.ts'
import type { DeliveryResult, EnvelopeOptions, NotifyWish, RecipientOptions } from './ports.ts'

const plain = 'From: aaa@test.com\r\nMessage-ID: <m@test.com>\r\nSubject: x\r\n\r\nthe body\r\n'

function notices(found: readonly { text: string }[]) {
  return found.flatMap(({ text }) => {
    const dsn = parseDsn(Buffer.from(text, 'latin1'))
    return dsn ? [{ dsn, text }] : []
  })
}

async function submit(
  mesh: MeshFixture,
  to: readonly string[],
  recipientOptions: readonly (RecipientOptions | undefined)[],
  options?: EnvelopeOptions,
  bytes = plain,
): Promise<void> {
  const asked = { recipientOptions, ...(options && { options }) }
  await mesh.accept('bj', 'aaa@test.com', to, bytes, mesh.submitter('aaa@test.com'), asked)
}

/** What the notices in aaa's mailbox say: `action recipient`. */
async function told(mesh: MeshFixture): Promise<string[]> {
  return notices(await mesh.inbox('aaa@test.com')).flatMap(({ dsn }) =>
    dsn.recipients.map((it) => `${it.action} ${it.finalRecipient}`),
  )
}

const says = (mesh: MeshFixture, result: Partial<DeliveryResult>) => {
  mesh.outside = async ({ recipients }) =>
    recipients.map(() => ({
      atMs: mesh.clock.nowMs(),
      kind: 'delivered',
      code: 250,
      status: '2.0.0',
      text: 'ok',
      courier: 'outside',
      hop: 'mx.example.org',
      ...result,
    }))
}

const notify = (...wishes: NotifyWish[]): RecipientOptions => ({ notify: wishes })

test('success: told of mailboxes here and on another node where it was asked for, with what the sender named', async () => {
  const mesh = await twoNodes()
  await mesh.account('ccc@test.com', 'bj')
  const asked = { notify: ['success'], orcpt: 'rfc822;Bob+2BX@test.com' } as const
  await submit(mesh, ['ccc@test.com', 'bbb@test.com', 'aaa@test.com'], [asked, notify('success')], { envid: 'QQ+2B1' })
  await mesh.clock.advance(5000)
  const found = notices(await mesh.inbox('aaa@test.com'))
  const recipients = found.flatMap(({ dsn }) => dsn.recipients)
  const said = recipients.map((it) => `${it.finalRecipient} ${it.action} ${it.originalRecipient}`)
  assert.deepEqual(new Set(said), new Set(['bbb@test.com delivered null', 'ccc@test.com delivered Bob+X@test.com']))
  for (const { dsn, text } of found) {
    assert.equal(dsn.originalEnvelopeId, 'QQ+1')
    assert.match(text, /\r\nStatus: 2\./)
    assert.doesNotMatch(text, /the body/)
  }
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('success straight into a mailbox: nothing is said without being asked, and never to a null sender', async () => {
  const mesh = await twoNodes()
  await submit(mesh, ['aaa@test.com'], [])
  await mesh.accept('bj', '', ['aaa@test.com'], letter, undefined, { recipientOptions: [notify('success')] })
  await mesh.clock.advance(5000)
  assert.deepEqual(await told(mesh), [])
  assert.equal(mesh.node('bj').delivery.stats().direct, 2)
})

for (const [result, expected] of [
  [{}, ['relayed x@example.org']],
  [{ dsnPassedOn: true }, []],
] as const) {
  test(`success outside: ${expected.length > 0 ? 'relayed, where the host knows no DSN' : 'left to a host that knows DSN'}`, async () => {
    const mesh = await twoNodes()
    says(mesh, result)
    await submit(mesh, ['x@example.org'], [notify('success', 'failure')])
    await mesh.clock.advance(5000)
    assert.deepEqual(await told(mesh), expected)
    assert.equal(mesh.node('bj').delivery.stats().letters, 0)
  })
}

for (const [wishes, failed, delayed] of [
  [undefined, 1, 1],
  [[], 0, 0],
  [['delay'], 0, 1],
  [['failure'], 1, 0],
  [['success'], 0, 0],
] as const) {
  test(`NOTIFY=${wishes?.join() ?? '(absent)'}: ${failed} notice of failure, ${delayed} of delay (RFC 3461 §4.1)`, async () => {
    const mesh = await twoNodes()
    const asked = wishes ? [{ notify: wishes }] : []
    says(mesh, { kind: 'permanent', code: 550, status: '5.1.1' })
    await submit(mesh, ['x@example.org'], asked)
    await mesh.clock.advance(5000)
    assert.equal((await told(mesh)).length, failed)
    says(mesh, { kind: 'temporary', code: 450, status: '4.2.0' })
    await submit(mesh, ['y@example.org'], asked)
    await mesh.clock.advance(5 * 3600_000)
    assert.equal((await told(mesh)).length, failed + delayed)
  })
}

for (const [options, whole] of [
  [undefined, false],
  [{ ret: 'hdrs' }, false],
  [{ ret: 'full' }, true],
  [{ ret: 'full', requireTls: true }, false],
] as const) {
  test(`failure with ${JSON.stringify(options ?? {})}: ${whole ? 'the whole letter' : 'only the header'} comes back`, async () => {
    const mesh = await twoNodes()
    says(mesh, { kind: 'permanent', code: 550, status: '5.1.1' })
    const text = plain.replace('the body', 'the b\u00f6dy')
    await submit(mesh, ['x@example.org'], [], options, text)
    await mesh.clock.advance(5000)
    const [notice] = notices(await mesh.inbox('aaa@test.com'))
    assert.ok(notice)
    assert.match(notice.text, /Subject: x/)
    assert.equal(notice.text.includes(Buffer.from('the b\u00f6dy').toString('latin1')), whole)
    assert.equal(/^Content-Type: message\/rfc822\r$/m.test(notice.text), whole)
    assert.equal(/^Content-Transfer-Encoding: 8bit\r$/m.test(notice.text), whole)
  })
}

test('an alias for one passes the wishes on; a list is told of as expanded, and its members ask for no success', async () => {
  const mesh = await twoNodes()
  await mesh.account('ccc@test.com', 'bj')
  mesh.map.aliases.set('one@test.com', ['bbb@test.com'])
  mesh.map.aliases.set('list@test.com', ['bbb@test.com', 'ccc@test.com', 'x@example.org'])
  await submit(mesh, ['one@test.com'], [notify('success')])
  await mesh.clock.advance(5000)
  assert.deepEqual(await told(mesh), ['delivered bbb@test.com'])
  await submit(mesh, ['list@test.com'], [{ notify: ['success', 'failure'], orcpt: 'rfc822;list@test.com' }])
  await mesh.clock.advance(5000)
  assert.deepEqual(await told(mesh), ['delivered bbb@test.com', 'expanded list@test.com'])
  assert.deepEqual(mesh.node('bj').sent[0]?.consignment.recipients[0]?.options?.notify, ['failure'])
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('a crash at any moment of a success: the letter once, the notice once', async () => {
  for (let step = 1; step <= 25; step++) {
    const mesh = await twoNodes()
    mesh.map.aliases.set('list@test.com', ['ccc@test.com', 'ddd@test.com'])
    await mesh.account('ccc@test.com', 'bj')
    await mesh.account('ddd@test.com', 'hk')
    const taken = mesh
      .send('bj', 'aaa@test.com', ['bbb@test.com', 'list@test.com'], plain, mesh.submitter('aaa@test.com'), {
        recipientOptions: [notify('success'), notify('success')],
      })
      .then(
        () => true,
        () => false,
      )
    let isTaken = false
    void taken.then((it) => (isTaken = it))
    await mesh.clock.advance(step * 0.7)
    const wasTaken = isTaken
    mesh.crash('bj')
    await mesh.start('bj')
    await mesh.clock.advance(120_000)
    const heard = (await told(mesh)).toSorted()
    const mails = (await mesh.inbox('bbb@test.com')).length
    if (wasTaken) assert.equal(mails, 1, `step ${step}`)
    assert.equal(heard.filter((it) => it.startsWith('delivered')).length, mails, `step ${step}: ${heard.join()}`)
    if (wasTaken) assert.deepEqual(heard, ['delivered bbb@test.com', 'expanded list@test.com'], `step ${step}`)
  }
})

test('held for the future: nobody is tried before, the wait survives a crash, and its life begins at its release', async () => {
  const mesh = await twoNodes({ queueLifetimeMs: 3600_000 })
  const holdUntilMs = mesh.clock.nowMs() + 3 * 3600_000
  await submit(mesh, ['aaa@test.com', 'bbb@test.com'], [], { holdUntilMs })
  await mesh.clock.advance(1000)
  const [waiting] = mesh.node('bj').delivery.control.list()
  assert.ok(waiting?.recipients.every((it) => it.state === 'pending' && it.nextAttemptMs === holdUntilMs))
  mesh.crash('bj')
  await mesh.start('bj')
  await mesh.clock.advance(2 * 3600_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length + (await mesh.inbox('aaa@test.com')).length, 0)
  await mesh.clock.advance(3600_000 + 60_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
})

test('held for the future: an operator releases what he held only when the sender wanted it; his `retry` is now', async () => {
  const mesh = await twoNodes()
  const { control } = mesh.node('bj').delivery
  const holdUntilMs = mesh.clock.nowMs() + 3600_000
  await submit(mesh, ['bbb@test.com'], [], { holdUntilMs })
  const id = control.list()[0]?.id ?? ''
  await control.hold(id)
  await control.release(id)
  assert.equal(control.list()[0]?.recipients[0]?.nextAttemptMs, holdUntilMs)
  await control.retry(id)
  await mesh.clock.advance(2000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
})

test('deliver by: returned at the moment that was set, or told of and tried on (RFC 2852 §4)', async () => {
  const mesh = await twoNodes()
  says(mesh, { kind: 'temporary', code: 450, status: '4.2.0' })
  const atMs = mesh.clock.nowMs() + 20 * 60_000
  await submit(mesh, ['x@example.org'], [], { deliverBy: { atMs, mode: 'return' } })
  await submit(mesh, ['y@example.org'], [], { deliverBy: { atMs, mode: 'notify' } })
  await mesh.clock.advance(19 * 60_000)
  assert.deepEqual(await told(mesh), [])
  await mesh.clock.advance(2 * 60_000)
  assert.deepEqual((await told(mesh)).toSorted(), ['delayed y@example.org', 'failed x@example.org'])
  const found = notices(await mesh.inbox('aaa@test.com')).flatMap(({ dsn }) => dsn.recipients)
  assert.deepEqual(new Set(found.map((it) => it.status)), new Set(['4.4.7', '5.4.7']))
  says(mesh, { deliverByPassedOn: true })
  await mesh.clock.advance(3600_000)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
  assert.equal((await told(mesh)).length, 2)
})

test('priority: in one line the more urgent goes first, equals as they came', async () => {
  const mesh = await twoNodes({ outsideDeliveriesPerDomainMax: 1 })
  const order: string[] = []
  mesh.outside = async ({ recipients, item }) => {
    order.push(recipients[0]?.address ?? '')
    await new Promise<void>((resolve) => {
      mesh.clock.setTimer(1000, resolve)
    })
    return recipients.map(() => ({
      atMs: mesh.clock.nowMs(),
      kind: 'delivered',
      code: 250,
      status: '2.0.0',
      text: item.id,
      courier: 'outside',
      hop: '',
    }))
  }
  for (const [name, priority] of [
    ['first', 0],
    ['low', -3],
    ['plain', undefined],
    ['high', 4],
    ['highest', 9],
    ['high2', 4],
  ] as const) {
    await submit(mesh, [`${name}@example.org`], [], priority === undefined ? undefined : { priority })
  }
  await mesh.clock.advance(10_000)
  const names = order.map((it) => it.split('@')[0])
  assert.deepEqual(names, ['first', 'highest', 'high', 'high2', 'plain', 'low'])
})

test('a size that is announced is measured against the room that the mailbox had a moment ago (RFC 1870 §6.2)', async () => {
  const mesh = await twoNodes()
  await mesh.account('small@test.com', 'bj', 5000)
  const { intake } = mesh.node('bj').delivery
  const source = mesh.submitter('aaa@test.com')
  const code = (size?: number) => {
    const verdict = intake.checkRecipient(source, 'small@test.com', 'aaa@test.com', size)
    return verdict.kind === 'refused' ? verdict.code : 250
  }
  assert.equal(code(6000), 250, 'nothing is known yet')
  await submit(mesh, ['small@test.com'], [])
  assert.deepEqual([code(), code(1000), code(6000)], [250, 250, 452])
  await mesh.clock.advance(61_000)
  assert.equal(code(6000), 250)
})

for (const [header, options, wish] of [
  ['TLS-Required: No', undefined, true],
  ['tls-required:  nO', undefined, true],
  ['TLS-Required: yes', undefined, undefined],
  ['TLS-Required: No\r\nTLS-Required: No', undefined, undefined],
  ['TLS-Required: No', { requireTls: true }, undefined],
  ['X-TLS-Required: No', undefined, undefined],
] as const) {
  test(`${header.replace('\r\n', ' / ')}${options ? ' with REQUIRETLS' : ''}: ${wish ? 'clear text will do' : 'policy as ever'}`, async () => {
    const mesh = await twoNodes()
    says(mesh, {})
    await submit(mesh, ['x@example.org'], [], options, `From: aaa@test.com\r\n${header}\r\n\r\nx\r\n`)
    await mesh.clock.advance(2000)
    const { item } = mesh.node('bj').sent[0]?.consignment ?? {}
    assert.equal(item?.options?.tlsOptional, wish)
  })
}

// What the sender asked for goes along to hosts that know it, and a letter that is more than a host takes is converted or comes back.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { wantsNotice, type DeliveryResult, type QueueItem, type RecipientOptions } from '@skein/delivery'
import { decodePart, indexMessage } from '@skein/mail'
import { createBench, routeTo } from '../test/courier-bench.ts'
import { except, startScripted, type ScriptedServer } from '../test/scripted-server.ts'
import { startServer } from '../test/server-fixture.ts'

async function send(
  port: number,
  bytes: string,
  changes: Partial<QueueItem> = {},
  options?: RecipientOptions,
  original = 'bbb@test.example',
): Promise<DeliveryResult> {
  const bench = createBench(routeTo(port))
  bench.log.chunkBytes = 7
  const { item, recipients } = bench.letter(bytes, ['bbb@test.example'], changes)
  const asked = recipients.map((it) => ({ ...it, original, ...(options && { options }) }))
  const [result] = await bench.send({ item, recipients: asked })
  await bench.courier.close()
  assert.ok(result)
  return result
}

const offering = (...extensions: string[]) =>
  startScripted(
    except({
      EHLO: ['there', 'PIPELINING', ...extensions]
        .map((it, at, all) => `250${at < all.length - 1 ? '-' : ' '}${it}`)
        .join('\r\n'),
    }),
  )
const said = (there: ScriptedServer) => there.lines.filter((line) => /^(?:MAIL|RCPT)/.test(line)).join('\n')

describe('wishes', () => {
  test('a host that knows everything is told everything, and its word is what the sender gets', async () => {
    await using there = await startServer('mx')
    const options = {
      ret: 'full',
      envid: 'QQ+2B1',
      priority: -2,
      solicit: 'com.example:ADV',
      deliverBy: { atMs: Date.now() + 60_000, mode: 'notify', trace: true },
    } as const
    const asked = { notify: ['success', 'delay'], orcpt: 'rfc822;Bob+40x' } as const
    const result = await send(there.port, 'Subject: x\r\n\r\nx\r\n', { options }, asked)
    assert.deepEqual([result.kind, result.dsnPassedOn, result.deliverByPassedOn], ['delivered', true, true])
    const [letter] = there.intake.letters
    const { deliverBy, ...others } = letter?.envelope.options ?? {}
    assert.deepEqual(others, { ret: 'full', envid: 'QQ+2B1', priority: -2, solicit: 'com.example:ADV' })
    assert.ok(deliverBy && Math.abs(deliverBy.atMs - options.deliverBy.atMs) < 3000 && deliverBy.trace)
    assert.deepEqual(letter?.envelope.recipientOptions, [asked])
  })

  test('a host that knows nothing is told nothing, and that is said', async () => {
    await using there = await offering()
    const options = {
      ret: 'hdrs',
      envid: 'x',
      priority: 1,
      solicit: 'a',
      deliverBy: { atMs: 1, mode: 'notify' },
    } as const
    const result = await send(there.port, 'x\r\n', { options }, { notify: ['success'] })
    assert.deepEqual([result.kind, result.dsnPassedOn, result.deliverByPassedOn], ['delivered', false, false])
    assert.equal(said(there), 'MAIL FROM:<aaa@us.example>\nRCPT TO:<bbb@test.example>')
  })

  test('DSN: NEVER is passed on, an alias gives its own name', async () => {
    await using there = await offering('DSN')
    await send(there.port, 'x\r\n', {}, { notify: [] }, 'team+1@us.example')
    assert.match(said(there), /RCPT TO:<bbb@test\.example> NOTIFY=NEVER ORCPT=rfc822;team\+2B1@us\.example$/)
    assert.equal(wantsNotice({ notify: [] }, 'failure'), false)
  })

  for (const [options, extensions, status] of [
    [{ requireTls: true }, ['REQUIRETLS'], '5.7.10'],
    [{ deliverBy: { atMs: Date.now() + 60_000, mode: 'return' } }, [], '5.3.3'],
  ] as const) {
    test(`${JSON.stringify(options)}: comes back from a host that does not promise it`, async () => {
      await using there = await offering(...extensions)
      const result = await send(there.port, 'x\r\n', { options })
      assert.deepEqual([result.kind, result.status], ['permanent', status])
      assert.equal(there.messages.length, 0)
    })
  }

  test('deliver by: a letter that must be back leaves with what is left of its time, at least a second', async () => {
    await using there = await offering('DELIVERBY')
    await send(there.port, 'x\r\n', { options: { deliverBy: { atMs: Date.now() - 5000, mode: 'return' } } })
    assert.match(said(there), /^MAIL FROM:<aaa@us\.example> BY=1;R$/m)
  })
})

const eightBit =
  'Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n.a caf\xc3\xa9 of text\r\n..\r\n'
const binary =
  'Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n\x1a\n\0\r.\r\n.\r\n\xff'

function decoded(message: string): string {
  const bytes = Buffer.from(message.replaceAll(/(^|\r\n)\.\./g, '$1.'), 'latin1')
  return Buffer.from(decodePart(bytes, indexMessage(bytes).root)).toString('latin1')
}

describe('bytes', () => {
  test('binary by BDAT, exactly, where the host takes it', async () => {
    await using there = await startServer('mx')
    const result = await send(there.port, binary, { eightBit: true, options: { binary: true } })
    assert.equal(result.kind, 'delivered')
    assert.equal(there.intake.letters[0]?.bytes.toString('latin1'), binary)
    assert.equal(there.intake.letters[0]?.envelope.options?.binary, true)
  })

  for (const [name, bytes, extensions, encoding, isSevenBit] of [
    ['8-bit to a host of 7 bits', eightBit, [], 'quoted-printable', true],
    ['8-bit to a host of 8 bits', eightBit, ['8BITMIME'], '8bit', false],
    ['binary to a host of 7 bits', binary, ['CHUNKING'], 'base64', true],
    ['binary to a host of 8 bits', binary, ['8BITMIME', 'BINARYMIME'], 'base64', true],
  ] as const) {
    test(`${name} by DATA: ${encoding}, and the same when decoded`, async () => {
      await using there = await offering('SIZE 1000000', ...extensions)
      const isBinary = bytes === binary
      const result = await send(there.port, bytes, { eightBit: true, ...(isBinary && { options: { binary: true } }) })
      assert.equal(result.kind, 'delivered')
      const message = there.messages[0] ?? ''
      assert.ok(message.includes(`Content-Transfer-Encoding: ${encoding}\r\n`))
      assert.equal(/[\u0080-\u00ff]/.test(message), !isSevenBit)
      assert.equal(decoded(message), bytes.slice(bytes.indexOf('\r\n\r\n') + 4))
      assert.equal(/SIZE=/.test(said(there)), encoding === '8bit')
    })
  }

  test('what can not be converted comes back, and says why', async () => {
    await using there = await offering()
    const signed = `Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n${eightBit}\r\n--s\r\n\r\nsig\r\n--s--\r\n`
    for (const [bytes, why] of [
      [signed, /signed/],
      ['Subject: \xe9\r\n\r\n\xe9\r\n', /in a header/],
    ] as const) {
      const result = await send(there.port, bytes, { eightBit: true })
      assert.deepEqual([result.kind, result.status], ['permanent', '5.6.3'])
      assert.match(result.text, why)
    }
    assert.equal(there.messages.length, 0)
    assert.equal((await send(there.port, 'S: x\r\n\r\nx\r\n', { eightBit: true })).kind, 'delivered')
  })
})

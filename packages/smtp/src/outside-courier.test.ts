import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SkeinError } from '@skein/runtime'
import { createBench, routeTo } from '../test/courier-bench.ts'
import { except, startScripted, willing } from '../test/scripted-server.ts'
import { startServer } from '../test/server-fixture.ts'
import { createMemoryDns } from '@skein/testkit'

describe('outside courier', () => {
  test('a letter arrives byte for byte over STARTTLS, also in small chunks', async () => {
    await using there = await startServer('mx')
    const { courier, letter, send, log } = createBench(routeTo(there.port))
    const text = `Subject: x\r\n\r\n.dot\r\n..\r\n.\r\n\xe4\xb8\xad\0\r\n${'y'.repeat(3_000)}\r\nlast\r\n`
    for (const chunkBytes of [1, 3, 262_144]) {
      log.chunkBytes = chunkBytes
      const [result] = await send(letter(text, ['bbb@test.example'], { eightBit: true }))
      assert.equal(result?.kind, 'delivered')
      assert.equal(result.code, 250)
      assert.match(result.text, /queued as Q\d/)
      assert.equal(result.courier, 'outside')
      const taken = there.intake.letters.at(-1)
      assert.equal(taken?.bytes.toString('latin1'), text)
      assert.equal(taken.envelope.source.protocol, 'ESMTPS')
      assert.equal(taken.envelope.eightBit, true)
    }
    await courier.close()
  })

  test('our own Return-Path line stays here', async () => {
    await using there = await startServer('mx')
    const { courier, letter, send } = createBench(routeTo(there.port))
    const line = 'Return-Path: <aaa@us.example>\r\n'
    const [result] = await send(
      letter(`${line}Subject: x\r\n\r\ny\r\n`, ['bbb@test.example'], { returnPathBytes: line.length }),
    )
    assert.equal(result?.kind, 'delivered')
    assert.equal(there.intake.letters[0]?.bytes.toString('latin1'), 'Subject: x\r\n\r\ny\r\n')
    await courier.close()
  })

  test('each recipient has a result of its own', async () => {
    await using there = await startScripted(
      except({ 'RCPT TO:<no@': '550 5.1.1 no such user', 'RCPT TO:<later@': '450 4.2.0 greylisted' }),
    )
    const { courier, letter, send } = createBench(routeTo(there.port))
    const to = ['yes@there.example', 'no@there.example', 'later@there.example']
    const results = await send(letter('x\r\n', to))
    assert.deepEqual(
      results.map(({ kind, code, status }) => [kind, code, status]),
      [
        ['delivered', 250, '2.0.0'],
        ['permanent', 550, '5.1.1'],
        ['temporary', 450, '4.2.0'],
      ],
    )
    assert.match(results[1]?.text ?? '', /no such user/)
    assert.equal(results[1]?.hop, `127.0.0.1:${there.port}`)
    assert.deepEqual(there.messages, ['x\r\n'])
    await courier.close()
  })

  test('a connection is used for the next letter, and not when the other side has closed it', async () => {
    let mails = 0
    await using there = await startScripted((line, server) => {
      mails += line.startsWith('MAIL') ? 1 : 0
      return line.startsWith('MAIL') && mails === 3 ? null : willing(line, server)
    })
    const { courier, letter, send } = createBench(routeTo(there.port))
    const results = [await send(letter('1\r\n', ['a@there.example'])), await send(letter('2\r\n', ['a@there.example']))]
    assert.equal(there.connections, 1)
    results.push(await send(letter('3\r\n', ['a@there.example'])))
    assert.equal(there.connections, 2)
    assert.deepEqual(
      results.map(([result]) => result?.kind),
      ['delivered', 'delivered', 'delivered'],
    )
    await courier.close()
  })

  test('a server without pipelining is spoken to line by line', async () => {
    await using there = await startScripted(except({ EHLO: '502 what', HELO: '250 there' }))
    const { courier, letter, send } = createBench(routeTo(there.port))
    const [result] = await send(letter('x\r\n', ['a@there.example']))
    assert.equal(result?.kind, 'delivered')
    assert.deepEqual(there.lines.slice(0, 5), [
      'EHLO us.example',
      'HELO us.example',
      'MAIL FROM:<aaa@us.example>',
      'RCPT TO:<a@there.example>',
      'DATA',
    ])
    await courier.close()
  })

  test('a temporary word of one host sends us to the next, a permanent one does not', async () => {
    await using first = await startScripted(except({ MAIL: '451 4.3.2 not now' }))
    await using second = await startScripted(willing, { host: '127.0.0.2', port: first.port })
    const resolver = createMemoryDns({ 'A mx.there': ['127.0.0.1', '127.0.0.2'] })
    const { courier, letter, send } = createBench(routeTo(first.port, 'mx.there'), resolver)
    const [result] = await send(letter('x\r\n', ['a@there.example']))
    assert.equal(result?.kind, 'delivered')
    assert.equal(result.hop, `mx.there [127.0.0.2:${second.port}]`)
    await courier.close()
  })

  test('a host that is down is passed over; what another said before stays', async () => {
    await using first = await startScripted(except({ RCPT: '450 4.2.1 mailbox busy' }))
    const resolver = createMemoryDns({ 'A mx.there': ['127.0.0.1', '127.0.0.3'] })
    const { courier, letter, send } = createBench(routeTo(first.port, 'mx.there'), resolver)
    const [result] = await send(letter('x\r\n', ['a@there.example']))
    assert.equal(result?.kind, 'temporary')
    assert.equal(result.status, '4.2.1')
    await courier.close()
  })

  test('nobody there is a temporary failure', async () => {
    const there = await startScripted(willing)
    await there[Symbol.asyncDispose]()
    const { courier, letter, send } = createBench(routeTo(there.port))
    const [result] = await send(letter('x\r\n', ['a@there.example']))
    assert.deepEqual([result?.kind, result?.code, result?.status], ['temporary', 451, '4.4.1'])
    assert.match(result?.text ?? '', /ECONNREFUSED/)
    await courier.close()
  })

  test('a greeting of refusal is told with its own code', async () => {
    await using there = await startScripted(except({ '': '554 5.7.1 your address is listed' }))
    const { courier, letter, send } = createBench(routeTo(there.port))
    const [result] = await send(letter('x\r\n', ['a@there.example']))
    assert.deepEqual([result?.kind, result?.code, result?.status], ['permanent', 554, '5.7.1'])
    await courier.close()
  })

  test('a letter that needs SMTPUTF8 fails for good where the host lacks it, one of plain ASCII goes', async () => {
    await using there = await startScripted(except({ EHLO: '250-there\r\n250 8BITMIME' }))
    const { courier, letter, send } = createBench(routeTo(there.port))
    const chinese = letter('Subject: \xe4\xb8\xad\r\n\r\nx\r\n', ['a@there.example'], { smtpUtf8: true })
    const [refused] = await send(chinese)
    assert.deepEqual([refused?.kind, refused?.status], ['permanent', '5.6.7'])
    const [address] = await send(letter('x\r\n', ['中@there.example']))
    assert.deepEqual([address?.kind, address?.status], ['permanent', '5.6.7'])
    const [ascii] = await send(letter('Subject: x\r\n\r\n\xe4\r\n', ['a@there.example'], { smtpUtf8: true }))
    assert.equal(ascii?.kind, 'delivered')
    assert.equal(there.messages.length, 1)
    await courier.close()
  })

  test('a letter larger than the host takes is not sent', async () => {
    await using there = await startScripted(except({ EHLO: '250-there\r\n250 SIZE 100' }))
    const { courier, letter, send } = createBench(routeTo(there.port))
    const [result] = await send(letter('x'.repeat(200), ['a@there.example']))
    assert.deepEqual([result?.kind, result?.code, result?.status], ['permanent', 552, '5.3.4'])
    assert.equal(there.messages.length, 0)
    await courier.close()
  })

  test('a connection that breaks after the message leaves it open, and no other host is tried', async () => {
    await using first = await startScripted(except({ '.': null }))
    await using second = await startScripted(willing, { host: '127.0.0.2', port: first.port })
    const resolver = createMemoryDns({ 'A mx.there': ['127.0.0.1', '127.0.0.2'] })
    const { courier, letter, send } = createBench(routeTo(first.port, 'mx.there'), resolver)
    const [result] = await send(letter('x\r\n', ['a@there.example']))
    assert.deepEqual([result?.kind, result?.status], ['temporary', '4.4.2'])
    assert.equal(second.connections, 0)
    await courier.close()
  })

  test('a server that says nothing is given up in the time set for it', async () => {
    await using there = await startScripted(except({ '': '' }))
    const { courier, letter, send } = createBench({ ...routeTo(there.port), greetingTimeoutMs: 30 })
    const [result] = await send(letter('x\r\n', ['a@there.example']))
    assert.equal(result?.kind, 'temporary')
    assert.match(result.text, /no reply to the connection in 30 ms/)
    await courier.close()
  })

  test('what is no SMTP is a temporary failure', async () => {
    await using there = await startScripted(except({ '': 'SSH-2.0-x' }))
    const { courier, letter, send } = createBench(routeTo(there.port))
    const [result] = await send(letter('x\r\n', ['a@there.example']))
    assert.match(result?.text ?? '', /no SMTP/)
    await courier.close()
  })

  test('the signal ends an attempt', async () => {
    await using there = await startScripted(except({ '': '' }))
    const { courier, letter, send } = createBench(routeTo(there.port))
    const stop = new AbortController()
    const results = send(letter('x\r\n', ['a@there.example']), stop.signal)
    stop.abort()
    assert.equal((await results)[0]?.kind, 'temporary')
    await courier.close()
  })

  test('our own damaged log is our failure, and the host gets no half letter', async () => {
    await using there = await startScripted(willing)
    const { courier, letter, send, log } = createBench(routeTo(there.port))
    log.streamError = new SkeinError('message-damaged', 'permanent', 'the message is damaged')
    const [result] = await send(letter('x'.repeat(5_000), ['a@there.example']))
    assert.deepEqual([result?.kind, result?.text], ['permanent', 'the message is damaged'])
    assert.equal(there.messages.length, 0)
    await courier.close()
  })

  test('pipelined DATA with no recipient taken leaves nothing behind for the next letter', async () => {
    await using there = await startScripted(except({ 'RCPT TO:<no@': '550 5.1.1 no' }))
    const { courier, letter, send } = createBench(routeTo(there.port))
    const [refused] = await send(letter('1\r\n', ['no@there.example']))
    const [taken] = await send(letter('2\r\n', ['yes@there.example']))
    assert.deepEqual([refused?.kind, taken?.kind], ['permanent', 'delivered'])
    assert.equal(there.connections, 1)
    assert.ok(there.lines.includes('RSET'))
    assert.equal(there.messages.at(-1), '2\r\n')
    await courier.close()
  })
})

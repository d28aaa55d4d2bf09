import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import type { QueueItem } from '@skein/delivery'
import { SkeinError, type TlsMaterial } from '@skein/runtime'
import { type MemoryZone, createMemoryDns } from '@skein/testkit'
import { type CertificateName, certificate, chainOf } from '../test/certificates.ts'
import { createBench, routeTo } from '../test/courier-bench.ts'
import { except, startScripted, willing } from '../test/scripted-server.ts'
import { startServer } from '../test/server-fixture.ts'

const tls: TlsMaterial = { current: () => chainOf('host', 'intermediate'), onChange: () => () => {} }

function tlsaOf(name: CertificateName): string {
  const spki = certificate(name).publicKey.export({ type: 'spki', format: 'der' })
  return `3 1 1 ${createHash('sha256').update(spki).digest('hex')}`
}

/** A relay whose name is signed, with these TLSA records at its port. */
function benchWith(port: number, records: string[], zone: MemoryZone = {}) {
  const dns = createMemoryDns(
    { 'A mx.there.example': ['127.0.0.1'], [`TLSA _${port}._tcp.mx.there.example`]: records, ...zone },
    ['there.example'],
  )
  return { dns, ...createBench(routeTo(port, 'mx.there.example'), dns) }
}

describe('outside courier and TLS', () => {
  test('opportunistic: whoever answers, and it is noted', async () => {
    await using there = await startServer('mx', {}, { tls })
    const { courier, letter, send, noted } = createBench(routeTo(there.port))
    const [result] = await send(letter('x\r\n', ['bbb@test.example']))
    assert.match(result?.text ?? '', /\(over TLS\)$/)
    assert.equal(noted.length, 1)
    const [{ atMs, ...session } = { atMs: 0 }] = noted
    assert.ok(atMs > 0)
    assert.deepEqual(session, {
      policyDomain: '127.0.0.1',
      policy: { type: 'no-policy-found', strings: [], mxPatterns: [] },
      receivingMx: '127.0.0.1',
      receivingIp: '127.0.0.1',
      sendingIp: '127.0.0.1',
      result: 'success',
      failureReason: '',
    })
    await courier.close()
  })

  test('no STARTTLS: in clear text, and noted', async () => {
    await using there = await startScripted(willing)
    const { courier, letter, send, noted } = createBench(routeTo(there.port))
    const [result] = await send(letter('x\r\n', ['bbb@test.example']))
    assert.match(result?.text ?? '', /\(in clear text\)$/)
    assert.deepEqual(
      noted.map(({ result: came }) => came),
      ['starttls-not-supported'],
    )
    await courier.close()
  })

  test('a handshake that fails: in clear text, and noted', async () => {
    const ehlo = '250-there\r\n250 STARTTLS'
    await using there = await startScripted(except({ EHLO: ehlo, STARTTLS: '220 go\r\nthis is no TLS' }))
    const { courier, letter, send, noted } = createBench(routeTo(there.port))
    const [result] = await send(letter('x\r\n', ['bbb@test.example']))
    assert.equal(result?.kind, 'delivered')
    assert.equal(there.connections, 2)
    assert.deepEqual(
      noted.map(({ result: came }) => came),
      ['validation-failure'],
    )
    await courier.close()
  })

  test('DANE: the right key', async () => {
    await using there = await startServer('mx', {}, { tls })
    const record = tlsaOf('host')
    const { courier, letter, send, noted } = benchWith(there.port, [record])
    const [result] = await send(letter('x\r\n', ['bbb@test.example']))
    assert.match(result?.text ?? '', /verified by DANE\)$/)
    assert.deepEqual(noted[0]?.policy, { type: 'tlsa', strings: [record], mxPatterns: [] })
    assert.equal(noted[0]?.result, 'success')
    await courier.close()
  })

  test('DANE: the wrong key stops the letter before anything of it is said', async () => {
    await using there = await startServer('mx', {}, { tls })
    const { courier, letter, send, noted } = benchWith(there.port, [tlsaOf('own')])
    const [result] = await send(letter('x\r\n', ['bbb@test.example']))
    assert.deepEqual([result?.kind, result?.code, result?.status], ['temporary', 451, '4.7.5'])
    assert.match(result?.text ?? '', /TLSA records of mx\.there\.example match none of its certificates/)
    assert.deepEqual([noted[0]?.result, noted[0]?.receivingIp], ['validation-failure', '127.0.0.1'])
    assert.equal(there.intake.letters.length, 0)
    await courier.close()
  })

  test('DANE: another address of the host may do better', async () => {
    const other: TlsMaterial = { current: () => chainOf('own'), onChange: () => () => {} }
    await using bad = await startServer('mx', {}, { tls: other })
    await using good = await startServer('mx', {}, { tls, host: '127.0.0.2', port: bad.port })
    const zone = { 'A mx.there.example': ['127.0.0.1', '127.0.0.2'] }
    const { courier, letter, send } = benchWith(bad.port, [tlsaOf('host')], zone)
    const [result] = await send(letter('x\r\n', ['bbb@test.example']))
    assert.equal(result?.kind, 'delivered')
    assert.equal(result.hop, `mx.there.example [127.0.0.2:${bad.port}]`)
    assert.deepEqual([bad.intake.letters.length, good.intake.letters.length], [0, 1])
    await courier.close()
  })

  test('DANE: no STARTTLS, and a handshake that fails, stop it too', async () => {
    for (const changes of [{}, { EHLO: '250-there\r\n250 STARTTLS', STARTTLS: '220 go\r\nno TLS' }]) {
      await using there = await startScripted(except(changes))
      const { courier, letter, send } = benchWith(there.port, [tlsaOf('host')])
      const [result] = await send(letter('x\r\n', ['bbb@test.example']))
      assert.equal(result?.kind, 'temporary')
      assert.match(result.status, /^4\.7\.(5|10)$/)
      assert.equal(there.connections, 1)
      assert.ok(!there.lines.some((line) => line.startsWith('MAIL')))
      await courier.close()
    }
  })

  test('REQUIRETLS fails for good where nothing proves the host; TLS-Required: No goes in spite of DANE', async () => {
    await using there = await startServer('mx', {}, { tls })
    const { courier, letter, send } = benchWith(there.port, [tlsaOf('own')])
    const wishing = (options: QueueItem['options']) =>
      send(letter('x\r\n', ['bbb@test.example'], options ? { options } : {}))
    const [required] = await wishing({ requireTls: true })
    assert.deepEqual([required?.kind, required?.status], ['permanent', '5.7.10'])
    const [optional] = await wishing({ tlsOptional: true })
    assert.equal(optional?.kind, 'delivered')
    await courier.close()
  })

  test('REQUIRETLS goes on to a host that is proven and promises the same (RFC 8689 §4.2.1)', async () => {
    await using there = await startServer('mx', {}, { tls })
    const { courier, letter, send } = benchWith(there.port, [tlsaOf('host')])
    const [taken] = await send(letter('x\r\n', ['bbb@test.example'], { options: { requireTls: true } }))
    assert.equal(taken?.kind, 'delivered')
    assert.equal(there.intake.letters[0]?.envelope.options?.requireTls, true)
    await courier.close()
  })

  test('a connection that proved nothing is not used for a letter that asks for proof', async () => {
    await using there = await startServer('mx', {}, { tls })
    const { courier, letter, send, noted } = benchWith(there.port, [tlsaOf('host')])
    await send(letter('1\r\n', ['bbb@test.example'], { options: { tlsOptional: true } }))
    await send(letter('2\r\n', ['bbb@test.example']))
    await send(letter('3\r\n', ['bbb@test.example']))
    await send(letter('4\r\n', ['bbb@test.example'], { options: { tlsOptional: true } }))
    assert.deepEqual(
      noted.map(({ policy }) => policy.type),
      ['no-policy-found', 'tlsa'],
    )
    assert.equal(there.intake.letters.length, 4)
    await courier.close()
  })

  test('TLSA records that cannot be had delay the letter', async () => {
    await using there = await startServer('mx', {}, { tls })
    const { dns, courier, letter, send, noted } = benchWith(there.port, [])
    dns.zone[`TLSA _${there.port}._tcp.mx.there.example`] = new SkeinError('dns-bogus', 'temporary', 'wrong signature')
    const [result] = await send(letter('x\r\n', ['bbb@test.example']))
    assert.deepEqual([result?.kind, result?.status], ['temporary', '4.7.5'])
    assert.deepEqual(
      noted.map(({ result: came, receivingMx }) => [came, receivingMx]),
      [['dnssec-invalid', 'mx.there.example']],
    )
    assert.equal(there.intake.letters.length, 0)
    await courier.close()
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isErrorCode, silentLogger as logger, systemClock } from '@skein/runtime'
import { type Answer, encode } from 'dns-packet'
import { type Behaviour, startNameServer, zone } from '../test/name-server.ts'
import { type DnsSettings, createDnsResolver } from './resolver.ts'

/** The time of its own, but real timers: sockets are real too. */
function createTestClock() {
  let skippedMs = 0
  return {
    nowMs: () => systemClock.nowMs() + skippedMs,
    monotonicMs: () => systemClock.monotonicMs() + skippedMs,
    setTimer: systemClock.setTimer,
    skip(ms: number) {
      skippedMs += ms
    },
  }
}

function resolverOf(servers: string[], settings: DnsSettings = {}, clock = createTestClock()) {
  return createDnsResolver({ clock, logger }, { servers, tryTimeoutMs: 200, questionTimeoutMs: 900, ...settings })
}

const records = {
  'MX there.example': [
    { preference: 20, exchange: 'B.there.example' },
    { preference: 10, exchange: 'a.there.example' },
  ],
  'MX null.example': [{ preference: 0, exchange: '.' }],
  'A a.there.example': ['192.0.2.1', '192.0.2.2'],
  'AAAA a.there.example': ['2001:db8::1'],
  'TXT there.example': [[Buffer.from('v=spf1 '), Buffer.from('-all')], [Buffer.from('other')]],
  'CNAME www.example': ['a.there.example'],
  'PTR 1.2.0.192.in-addr.arpa': ['a.there.example'],
  'TLSA _25._tcp.a.there.example': [{ usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from([1, 2]) }],
}

describe('the resolver', () => {
  test('a server that the machine has no way to is passed over, and costs no more than the answer', async () => {
    await using server = await startNameServer(zone(records))
    // A broadcast address can't be connected with: the system says so at once, as it does on a machine without a network.
    const nowhere = '255.255.255.255'
    assert.deepEqual((await resolverOf([nowhere, server.server]).a('a.there.example')).records.length, 2)
    await assert.rejects(resolverOf([nowhere]).a('a.there.example'), (error) => isErrorCode(error, 'dns-failed'))
  })

  test('every type of record', async () => {
    await using server = await startNameServer(zone(records))
    const dns = resolverOf([server.server])
    assert.deepEqual((await dns.mx('There.Example.')).records, [
      { exchange: 'b.there.example', preference: 20 },
      { exchange: 'a.there.example', preference: 10 },
    ])
    assert.deepEqual((await dns.mx('null.example')).records, [{ exchange: '', preference: 0 }])
    assert.deepEqual((await dns.a('a.there.example')).records, ['192.0.2.1', '192.0.2.2'])
    assert.deepEqual((await dns.aaaa('a.there.example')).records, ['2001:db8::1'])
    assert.deepEqual((await dns.txt('there.example')).records, ['v=spf1 -all', 'other'])
    assert.deepEqual((await dns.ptr('192.0.2.1')).records, ['a.there.example'])
    assert.deepEqual((await dns.ptr('::ffff:192.0.2.1')).records, ['a.there.example'])
    assert.deepEqual(await dns.a('www.example'), {
      records: ['192.0.2.1', '192.0.2.2'],
      authentic: false,
      canonicalName: 'a.there.example',
    })
    assert.deepEqual((await dns.cname('www.example')).records, ['a.there.example'])
    assert.deepEqual((await dns.tlsa('_25._tcp.a.there.example')).records, [
      { usage: 3, selector: 1, matchingType: 1, data: new Uint8Array([1, 2]) },
    ])
    assert.deepEqual((await dns.a('localhost')).records, ['127.0.0.1'])
  })

  test('no records are an empty answer, no name and no service are errors', async () => {
    await using server = await startNameServer((question, way, bytes) =>
      question.name === 'broken.example' ? { code: 2, extendedError: 7 } : zone(records)(question, way, bytes),
    )
    const dns = resolverOf([server.server])
    assert.deepEqual((await dns.aaaa('there.example')).records, [])
    await assert.rejects(dns.mx('gone.example'), (error) => isErrorCode(error, 'no-such-domain'))
    await assert.rejects(dns.mx('not a name'), (error) => isErrorCode(error, 'no-such-domain'))
    await assert.rejects(dns.ptr('not an address'), (error) => isErrorCode(error, 'no-such-domain'))
    await assert.rejects(dns.tlsa('broken.example'), (error) => {
      assert.ok(isErrorCode(error, 'dns-bogus'))
      assert.match(error.message, /TLSA of broken.example is not believed: its signature has expired/)
      return true
    })
  })

  test('AD is believed from a trusted server only, and asked of it only', async () => {
    const answers: Answer[] = [{ type: 'A', name: 'x.example', ttl: 60, data: '192.0.2.1' }]
    await using server = await startNameServer(() => ({ answers, authentic: true }))
    const trusting = resolverOf([server.server])
    const wary = resolverOf([server.server], { trusted: [] })
    assert.equal((await trusting.a('x.example')).authentic, true)
    assert.equal((await wary.a('x.example')).authentic, false)
    const [asked, unasked] = server.packets
    assert.equal((asked?.flags ?? 0) & 32, 32)
    assert.equal((unasked?.flags ?? 0) & 32, 0)
    const optOf = (packet: typeof asked) => packet?.additionals?.find((record) => record.type === 'OPT')
    assert.equal(optOf(asked)?.flag_do, true)
    assert.equal(optOf(unasked)?.flag_do, false)
  })

  test('where one server is trusted the others are not asked', async () => {
    await using other = await startNameServer(zone(records), '127.0.0.2')
    await using trusted = await startNameServer(() => ({ code: 2 }))
    const dns = resolverOf([other.server, trusted.server], { trusted: ['127.0.0.1'] })
    await assert.rejects(dns.mx('there.example'), (error) => isErrorCode(error, 'dns-bogus'))
    assert.deepEqual(other.asked, [])
  })

  test('a CNAME whose end the server leaves out is asked on, and authentic only as a whole', async () => {
    const parts: Record<string, Answer> = {
      'a.example': { type: 'CNAME', name: 'a.example', ttl: 60, data: 'b.example' },
      'b.example': { type: 'A', name: 'b.example', ttl: 60, data: '192.0.2.7' },
    }
    const answered: Behaviour = ({ name }) => {
      return { answers: parts[name] ? [parts[name]] : [], authentic: name === 'a.example' }
    }
    await using server = await startNameServer(answered)
    const found = await resolverOf([server.server]).a('a.example')
    assert.deepEqual(found, { records: ['192.0.2.7'], authentic: false, canonicalName: 'b.example' })
    assert.equal(server.asked.length, 2)
  })

  test('CNAMEs in a circle, and too many of them, end', async () => {
    const alias = (name: string, data: string): Answer => ({ type: 'CNAME', name, ttl: 60, data })
    await using circle = await startNameServer(({ name }) => ({
      answers: [alias(name, name === 'a.example' ? 'b.example' : 'a.example')],
    }))
    await using chain = await startNameServer(({ name }) => ({ answers: [alias(name, `x${name}`)] }))
    for (const { server, asked } of [circle, chain]) {
      await assert.rejects(resolverOf([server]).a('a.example'), (error) => isErrorCode(error, 'dns-bogus'))
      assert.ok(asked.length <= 13, String(asked.length))
    }
  })

  test('an answer that does not fit comes over TCP', async () => {
    const many = { 'TXT big.example': Array.from({ length: 200 }, (_, i) => [Buffer.from(`${i}`.padEnd(200))]) }
    await using server = await startNameServer((question, way, bytes) => ({
      ...(zone(many)(question, way, bytes) as object),
      truncated: true,
    }))
    assert.equal((await resolverOf([server.server]).txt('big.example')).records.length, 200)
    assert.deepEqual(server.asked, ['udp TXT big.example', 'tcp TXT big.example'])
  })

  test('a server that knows no EDNS is asked without it', async () => {
    await using server = await startNameServer((question, way, bytes) => {
      const isOld = bytes.readUInt16BE(10) > 0
      return isOld ? { code: 1 } : zone(records)(question, way, bytes)
    })
    assert.equal((await resolverOf([server.server]).a('a.there.example')).records.length, 2)
    assert.equal(server.asked.length, 2)
  })

  test('datagrams with another id, another question, or no sense are passed over', async () => {
    const forged = (id: number, name: string) =>
      encode({
        type: 'response',
        id,
        questions: [{ type: 'A', name }],
        answers: [{ type: 'A', name, ttl: 60, data: '203.0.113.66' }],
      })
    await using server = await startNameServer((_question, _way, bytes) => {
      const id = bytes.readUInt16BE(0)
      const right = encode({
        type: 'response',
        id,
        questions: [{ type: 'A', name: 'x.example' }],
        answers: [{ type: 'A', name: 'x.example', ttl: 60, data: '192.0.2.1' }],
      })
      return [forged(id ^ 1, 'x.example'), forged(id, 'y.example'), Buffer.from('junk'), Buffer.alloc(0), right]
    })
    assert.deepEqual((await resolverOf([server.server]).a('x.example')).records, ['192.0.2.1'])
  })

  test('a silent server is left for the next one, and asked last for a while', async () => {
    await using silent = await startNameServer(() => null)
    await using good = await startNameServer(zone(records))
    const dns = resolverOf([silent.server, good.server])
    assert.equal((await dns.mx('there.example')).records.length, 2)
    assert.equal((await dns.a('a.there.example')).records.length, 2)
    assert.equal(silent.asked.length, 1)
  })

  test('servers that are all silent, refuse or are not there are a temporary failure in a bounded time', async () => {
    await using silent = await startNameServer(() => null)
    await using refusing = await startNameServer(() => ({ code: 5 }))
    for (const servers of [[silent.server], [refusing.server], ['127.0.0.1:1'], [silent.server, refusing.server]]) {
      const startMs = systemClock.monotonicMs()
      await assert.rejects(resolverOf(servers).mx('there.example'), (error) => isErrorCode(error, 'dns-failed'))
      assert.ok(systemClock.monotonicMs() - startMs < 3_000)
    }
  })

  test('questions at once are one; an answer is kept for its time, an empty one for its own', async () => {
    await using server = await startNameServer(zone(records, 300))
    const clock = createTestClock()
    const dns = resolverOf([server.server], {}, clock)
    await Promise.all([dns.mx('there.example'), dns.mx('THERE.example'), dns.mx('there.example.')])
    assert.equal(server.asked.length, 1)
    clock.skip(299_000)
    await dns.mx('there.example')
    assert.equal(server.asked.length, 1)
    clock.skip(2_000)
    await dns.mx('there.example')
    assert.equal(server.asked.length, 2)
    await assert.rejects(dns.mx('gone.example'))
    clock.skip(59_000)
    await assert.rejects(dns.mx('gone.example'))
    assert.equal(server.asked.length, 3)
    clock.skip(2_000)
    await assert.rejects(dns.mx('gone.example'))
    assert.equal(server.asked.length, 4)
  })

  test('a failure is kept shortly, and what is kept is bounded', async () => {
    let isDown = true
    await using server = await startNameServer((question, way, bytes) =>
      isDown ? { code: 2 } : zone(records)(question, way, bytes),
    )
    const clock = createTestClock()
    const dns = resolverOf([server.server], { keptMax: 2 }, clock)
    await assert.rejects(dns.mx('there.example'))
    isDown = false
    await assert.rejects(dns.mx('there.example'))
    clock.skip(15_001)
    assert.equal((await dns.mx('there.example')).records.length, 2)
    await dns.a('a.there.example')
    await dns.txt('there.example')
    const before = server.asked.length
    await dns.txt('there.example')
    await dns.a('a.there.example')
    assert.equal(server.asked.length, before)
    await dns.mx('there.example')
    assert.equal(server.asked.length, before + 1)
  })

  test('more questions than at once wait their turn, more than may wait are refused', async () => {
    await using server = await startNameServer(({ name }) => ({
      answers: [{ type: 'A', name, ttl: 60, data: '192.0.2.1' }],
    }))
    const dns = resolverOf([server.server], { questionsAtOnceMax: 2, questionsWaitingMax: 10 })
    const asked = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => dns.a(`h${i}.example`)))
    assert.equal(asked.filter(({ status }) => status === 'fulfilled').length, 12)
  })

  test('what is no server is refused', () => {
    for (const server of ['', 'name.example', '127.0.0.1:0', '127.0.0.1:99999', '[::1']) {
      assert.throws(() => resolverOf([server]), RangeError)
    }
    for (const server of ['::1', '[::1]', '[::1]:53', '192.0.2.1', '192.0.2.1:5353']) resolverOf([server])
  })
})

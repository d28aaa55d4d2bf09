import assert from 'node:assert/strict'
import { type Socket as UdpSocket, createSocket } from 'node:dgram'
import { test } from 'node:test'
import { VirtualClock } from '@skein/testkit'
import { isErrorCode, systemClock } from '@skein/runtime'
import { createDnsResolver } from './resolver.ts'

const types: Record<number, string> = { 1: 'A', 15: 'MX', 28: 'AAAA' }

interface DnsServer extends AsyncDisposable {
  server: string
  questions: string[]
}

const name = (host: string) =>
  Buffer.concat([
    ...host
      .split('.')
      .filter(Boolean)
      .map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0]),
  ])

function recordData(type: string, value: string): Buffer {
  if (type === 'A') return Buffer.from(value.split('.').map(Number))
  if (type === 'AAAA')
    return Buffer.from(value.split(':').flatMap((group) => [...Buffer.from(group.padStart(4, '0'), 'hex')]))
  const [preference = '0', exchange = ''] = value.split(' ')
  return Buffer.concat([Buffer.from([0, Number(preference)]), name(exchange)])
}

/** Answers from `zone`: `'<type> <name>'` to values; 'NXDOMAIN' or 'SERVFAIL' for a name. */
async function startDns(zone: Record<string, string[] | string>): Promise<DnsServer> {
  const socket: UdpSocket = createSocket('udp4')
  const questions: string[] = []
  socket.on('message', (query, from) => {
    const labels: string[] = []
    let at = 12
    while (query[at]) {
      const length = query[at] as number
      labels.push(query.toString('latin1', at + 1, at + 1 + length))
      at += length + 1
    }
    const type = types[query.readUInt16BE(at + 1)] ?? '?'
    const host = labels.join('.')
    questions.push(`${type} ${host}`)
    const failure = zone[host]
    const values = (zone[`${type} ${host}`] ?? []) as string[]
    const code = failure === 'NXDOMAIN' ? 3 : failure === 'SERVFAIL' ? 2 : 0
    const header = Buffer.from(query.subarray(0, 12))
    header.writeUInt16BE(0x8180 | code, 2)
    header.writeUInt16BE(values.length, 6)
    header.writeUInt16BE(0, 8)
    header.writeUInt16BE(0, 10)
    const answers = values.map((value) => {
      const data = recordData(type, value)
      const head = Buffer.from([0xc0, 12, ...query.subarray(at + 1, at + 5), 0, 0, 0, 60, 0, data.length])
      return Buffer.concat([head, data])
    })
    socket.send(Buffer.concat([header, query.subarray(12, at + 5), ...answers]), from.port, from.address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return {
    server: `127.0.0.1:${socket.address().port}`,
    questions,
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  }
}

test('MX records, addresses of both families, null MX', async () => {
  await using dns = await startDns({
    'MX there.example': ['20 b.there.example', '10 a.there.example'],
    'A a.there.example': ['192.0.2.1', '192.0.2.2'],
    'AAAA a.there.example': ['2001:db8:0:0:0:0:0:1'],
    'MX null.example': ['0 '],
  })
  const resolver = createDnsResolver({ clock: systemClock }, { servers: [dns.server] })
  const records = [...(await resolver.mx('there.example'))].toSorted((a, b) => a.preference - b.preference)
  assert.deepEqual(records, [
    { exchange: 'a.there.example', preference: 10 },
    { exchange: 'b.there.example', preference: 20 },
  ])
  assert.deepEqual(await resolver.addresses('a.there.example'), ['192.0.2.1', '192.0.2.2', '2001:db8::1'])
  assert.deepEqual(await resolver.mx('null.example'), [{ exchange: '', preference: 0 }])
})

test('no MX and no addresses are empty, no domain and no answer are errors of their own', async () => {
  await using dns = await startDns({ 'gone.example': 'NXDOMAIN', 'broken.example': 'SERVFAIL' })
  const resolver = createDnsResolver({ clock: systemClock }, { servers: [dns.server], dnsTimeoutMs: 300 })
  assert.deepEqual(await resolver.mx('bare.example'), [])
  assert.deepEqual(await resolver.addresses('bare.example'), [])
  assert.deepEqual(await resolver.addresses('gone.example'), [])
  await assert.rejects(resolver.mx('gone.example'), (error) => isErrorCode(error, 'no-such-domain'))
  await assert.rejects(resolver.mx('broken.example'), (error) => isErrorCode(error, 'dns-failed'))
  await assert.rejects(resolver.addresses('broken.example'), (error) => isErrorCode(error, 'dns-failed'))
})

test('addresses are their own, localhost needs no DNS', async () => {
  const resolver = createDnsResolver({ clock: systemClock }, { servers: ['127.0.0.1:1'] })
  assert.deepEqual(await resolver.addresses('192.0.2.9'), ['192.0.2.9'])
  assert.deepEqual(await resolver.addresses('2001:db8::9'), ['2001:db8::9'])
  assert.deepEqual(await resolver.addresses('localhost'), ['127.0.0.1'])
})

test('an answer is kept for its time, questions at once are one', async () => {
  await using dns = await startDns({ 'MX there.example': ['10 a.there.example'] })
  const clock = new VirtualClock()
  const resolver = createDnsResolver({ clock }, { servers: [dns.server], dnsKeepMs: 1_000 })
  await Promise.all([resolver.mx('there.example'), resolver.mx('there.example')])
  await resolver.mx('there.example')
  assert.equal(dns.questions.length, 1)
  await clock.advance(1_001)
  await resolver.mx('there.example')
  assert.equal(dns.questions.length, 2)
})

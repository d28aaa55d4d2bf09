// A name server as a test wants it, over UDP and TCP on one port.
import { type Socket as UdpSocket, createSocket } from 'node:dgram'
import { type Server, createServer } from 'node:net'
import { type Answer, AUTHENTIC_DATA, type Packet, TRUNCATED_RESPONSE, decode, encode } from 'dns-packet'

export interface Says {
  answers?: Answer[]
  authorities?: Answer[]
  code?: number
  /** Sets AD. */
  authentic?: boolean
  /** Over UDP only the word that it does not fit. */
  truncated?: boolean
  /** Extended error (RFC 8914). */
  extendedError?: number
}

export interface TestNameServer extends AsyncDisposable {
  port: number
  server: string
  /** `'<udp|tcp> <type> <name>'` */
  asked: string[]
  packets: Packet[]
}

/** What to do with a question: an answer, raw datagrams, or nothing. */
export type Behaviour = (
  question: { name: string; type: string },
  way: 'udp' | 'tcp',
  bytes: Buffer,
) => Says | Buffer[] | null

function answerTo(query: Buffer, says: Says, way: 'udp' | 'tcp'): Buffer {
  const packet = decode(query)
  const cut = says.truncated === true && way === 'udp'
  const option = Buffer.alloc(2)
  option.writeUInt16BE(says.extendedError ?? 0)
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 1232,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [{ code: 15, data: option }],
  } as unknown as Answer
  return encode({
    type: 'response',
    id: packet.id ?? 0,
    flags: (says.code ?? 0) | (says.authentic ? AUTHENTIC_DATA : 0) | (cut ? TRUNCATED_RESPONSE : 0),
    questions: packet.questions ?? [],
    answers: cut ? [] : (says.answers ?? []),
    authorities: says.authorities ?? [],
    additionals: says.extendedError === undefined ? [] : [opt],
  })
}

export async function startNameServer(behaviour: Behaviour, address = '127.0.0.1'): Promise<TestNameServer> {
  const asked: string[] = []
  const packets: Packet[] = []
  function replies(query: Buffer, way: 'udp' | 'tcp'): Buffer[] {
    const packet = decode(query)
    packets.push(packet)
    const question = packet.questions?.[0] ?? { name: '', type: 'A' as const }
    asked.push(`${way} ${question.type} ${question.name}`)
    const says = behaviour({ name: question.name, type: question.type }, way, query)
    if (says === null) return []
    return Array.isArray(says) ? says : [answerTo(query, says, way)]
  }
  const tcp: Server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      for (const reply of replies(chunk.subarray(2), 'tcp')) {
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        socket.write(length)
        socket.write(reply)
      }
    })
  })
  await new Promise<void>((resolve) => tcp.listen(0, address, resolve))
  const { port } = tcp.address() as { port: number }
  const udp: UdpSocket = createSocket('udp4')
  udp.on('message', (query, from) => {
    for (const reply of replies(query, 'udp')) udp.send(reply, from.port, from.address)
  })
  await new Promise<void>((resolve) => udp.bind(port, address, resolve))
  return {
    port,
    server: `${address}:${port}`,
    asked,
    packets,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => udp.close(() => resolve()))
      await new Promise<void>((resolve) => {
        tcp.close(() => resolve())
      })
    },
  }
}

/** Records by `'<type> <name>'`; a name that is not there does not exist. */
export function zone(records: Record<string, unknown[]>, ttl = 300): Behaviour {
  return ({ name, type }) => {
    const own = records[`${type} ${name}`]
    const alias = records[`CNAME ${name}`]
    const soa: Answer = { type: 'SOA', name: 'zone', ttl, data: { mname: 'a', rname: 'b', minimum: 60 } }
    if (!own && !alias && !Object.keys(records).some((key) => key.endsWith(` ${name}`))) {
      return { code: 3, authorities: [soa] }
    }
    const of = (owner: string, kind: string) =>
      (records[`${kind} ${owner}`] ?? []).map((data) => ({ type: kind, name: owner, ttl, data }) as Answer)
    const answers = own ? of(name, type) : alias ? [...of(name, 'CNAME'), ...of(String(alias[0]), type)] : []
    return answers.length > 0 ? { answers } : { authorities: [soa] }
  }
}

// One question to one name server: over UDP from a port of its own, over TCP where the answer does not fit.
// Promises: ends within the time given, whatever comes; gives back nothing but an answer to the question.
import { randomInt } from 'node:crypto'
import { type Socket as UdpSocket, createSocket } from 'node:dgram'
import { type Socket as TcpSocket, connect, isIPv6 } from 'node:net'
import type { Clock } from '@skein/runtime'
import type { DnsLimits } from './limits.ts'
import { type Question, type Reply, decodeReply, encodeQuestion } from './message.ts'
import type { NameServer } from './name-servers.ts'

/** A server gave no answer that is one. */
export class NoReply extends Error {
  override readonly name = 'NoReply'
}

interface Terms {
  clock: Clock
  limits: DnsLimits
  timeoutMs: number
}

/** @throws NoReply */
export async function exchange(server: NameServer, question: Question, terms: Terms): Promise<Reply> {
  const deadlineMs = terms.clock.monotonicMs() + terms.timeoutMs
  const left = () => Math.max(1, deadlineMs - terms.clock.monotonicMs())
  const reply = await withEdns(server, question, terms, true)
  // RFC 6891 §7: a server of before EDNS.
  if (reply.code !== 'FORMERR' && reply.code !== 'NOTIMP') return reply
  return withEdns(server, question, { ...terms, timeoutMs: left() }, false)
}

async function withEdns(server: NameServer, question: Question, terms: Terms, isEdns: boolean): Promise<Reply> {
  const deadlineMs = terms.clock.monotonicMs() + terms.timeoutMs
  const id = randomInt(0x1_00_00)
  const { udpBytesMax } = terms.limits
  const bytes = encodeQuestion(question, { id, wantsProof: server.isTrusted, udpBytesMax, withEdns: isEdns })
  const read = (answer: Buffer) => decodeReply(answer, id, question)
  const short = await overUdp(server, bytes, read, terms)
  if (!short.isTruncated) return short
  const timeoutMs = Math.max(1, deadlineMs - terms.clock.monotonicMs())
  return overTcp(server, bytes, read, { ...terms, timeoutMs })
}

type Read = (answer: Buffer) => Reply | null

/** Runs `start` until it calls back or the time is over. */
function within<Result>(
  { clock, timeoutMs }: Terms,
  close: () => void,
  start: (resolve: (result: Result) => void, reject: (error: NoReply) => void) => void,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(timeoutMs, () => end(() => reject(new NoReply(`no answer in ${timeoutMs} ms`))))
    let isOver = false
    function end(tell: () => void): void {
      if (isOver) return
      isOver = true
      timer.cancel()
      close()
      tell()
    }
    start(
      (result) => end(() => resolve(result)),
      (error) => end(() => reject(error)),
    )
  })
}

function overUdp(server: NameServer, question: Buffer, read: Read, terms: Terms): Promise<Reply> {
  const socket: UdpSocket = createSocket(isIPv6(server.address.split('%')[0] ?? '') ? 'udp6' : 'udp4')
  let strays = 0
  let isClosed = false
  return within<Reply>(
    terms,
    () => {
      isClosed = true
      socket.close()
    },
    (resolve, reject) => {
      socket.on('error', (error) => reject(new NoReply(error.message)))
      socket.on('message', (datagram) => {
        const reply = read(datagram)
        if (reply) return resolve(reply)
        strays += 1
        if (strays > terms.limits.strayDatagramsMax) reject(new NoReply('too many answers to other questions'))
      })
      // Connected, so that the kernel drops what comes from elsewhere, and picks a port that nobody can foresee.
      socket.connect(server.port, server.address, (error?: Error) => {
        // With no way there (a machine without a network) this is told here, not by an event.
        if (error) return reject(new NoReply(error.message))
        if (isClosed) return
        socket.send(question, (failure) => {
          if (failure) reject(new NoReply(failure.message))
        })
      })
    },
  )
}

/** RFC 7766 §8: two octets of length before each message. */
function overTcp(server: NameServer, question: Buffer, read: Read, terms: Terms): Promise<Reply> {
  const socket: TcpSocket = connect({ host: server.address, port: server.port, noDelay: true })
  let gathered = Buffer.alloc(0)
  return within<Reply>(
    terms,
    () => socket.destroy(),
    (resolve, reject) => {
      socket.on('error', (error) => reject(new NoReply(error.message)))
      socket.on('close', () => reject(new NoReply('the server closed the connection')))
      socket.on('data', (chunk) => {
        gathered = Buffer.concat([gathered, chunk])
        if (gathered.length < 2) return
        const length = gathered.readUInt16BE(0)
        if (gathered.length < length + 2) return
        const reply = read(gathered.subarray(2, length + 2))
        if (reply && !reply.isTruncated) resolve(reply)
        else reject(new NoReply('the answer over TCP is none to the question'))
      })
      socket.on('connect', () => {
        const length = Buffer.alloc(2)
        length.writeUInt16BE(question.length)
        socket.write(Buffer.concat([length, question]))
      })
    },
  )
}

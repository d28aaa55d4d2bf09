// One message to one name server over TCP, and its answer (RFC 7766 §8: two octets of length before each).
import { connect } from 'node:net'
import { type Clock, SkeinError } from '@skein/runtime'

export interface ServerAddress {
  address: string
  port: number
}

/** @throws SkeinError `dns-failed` (temporary) */
export function exchangeOverTcp(
  { address, port }: ServerAddress,
  message: Uint8Array,
  { clock, timeoutMs }: { clock: Clock; timeoutMs: number },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, noDelay: true })
    const failed = (why: string) => {
      end()
      reject(
        new SkeinError('dns-failed', 'temporary', `the name server ${address} port ${port} gave no answer (${why})`),
      )
    }
    const timer = clock.setTimer(timeoutMs, () => failed(`nothing in ${timeoutMs} ms`))
    const end = () => {
      timer.cancel()
      socket.destroy()
    }
    const gathered: Buffer[] = []
    socket.on('error', (error) => failed(error.message))
    socket.on('close', () => failed('it closed the connection'))
    socket.on('data', (chunk) => {
      gathered.push(chunk)
      const bytes = Buffer.concat(gathered)
      if (bytes.length < 2 || bytes.length < bytes.readUInt16BE(0) + 2) return
      end()
      resolve(bytes.subarray(2, bytes.readUInt16BE(0) + 2))
    })
    socket.on('connect', () => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(message.length)
      socket.write(Buffer.concat([length, message]))
    })
  })
}

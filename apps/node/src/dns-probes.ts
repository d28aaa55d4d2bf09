// Looks at this mesh's own addresses as a stranger would: the MTA-STS policy over HTTPS, the greeting on port 25.
import { get } from 'node:https'
import { connect, isIP } from 'node:net'
import type { DnsProbes } from '@skein/admin'

const bodyBytesMax = 64 * 1024

export const dnsProbes: DnsProbes = {
  policy(host, address, timeoutMs) {
    return new Promise((resolve, reject) => {
      const request = get(
        `https://${host}/.well-known/mta-sts.txt`,
        {
          agent: false,
          signal: AbortSignal.timeout(timeoutMs),
          lookup: (_name, options, found) =>
            options.all === true
              ? found(null, [{ address, family: isIP(address) }])
              : found(null, address, isIP(address)),
        },
        (response) => {
          // RFC 8461 §3.3: nothing but 200; redirects are not followed.
          if (response.statusCode !== 200) {
            response.destroy()
            return reject(new Error(`it answers ${response.statusCode}`))
          }
          const pieces: Buffer[] = []
          let bytes = 0
          response.on('data', (piece: Buffer) => {
            pieces.push(piece)
            bytes += piece.length
            if (bytes > bodyBytesMax) response.destroy(new Error('the answer does not end'))
          })
          response.on('error', reject)
          response.on('end', () => resolve(Buffer.concat(pieces).toString()))
        },
      )
      request.on('error', (error) => reject(error.name === 'AbortError' ? new Error('no answer in time') : error))
    })
  },
  greeting(address, timeoutMs) {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: address, port: 25, timeout: timeoutMs })
      let text = ''
      socket.on('data', (piece) => {
        text += piece.toString('latin1')
        const end = text.indexOf('\n')
        if (end < 0 && text.length < 1000) return
        resolve(text.slice(0, end < 0 ? 1000 : end).trim())
        // RFC 5321 §4.1.1.10: a client says good-bye.
        socket.end('QUIT\r\n')
      })
      socket.on('timeout', () => socket.destroy(new Error('no greeting in time')))
      socket.on('error', reject)
      socket.on('close', () => reject(new Error('the connection was closed')))
    })
  },
}

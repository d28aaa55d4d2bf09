// How an operator command asks the running node.
import { createConnection } from 'node:net'
import { SkeinError } from '@skein/runtime'
import { type ControlReply, resultOf } from './protocol.ts'

/**
 * @throws SkeinError `node-not-running` when nobody listens, or the error that the node answered.
 */
export function askNode(socketPath: string, op: string, params: unknown = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    const socket = createConnection(socketPath)
    const notRunning = (cause: unknown) =>
      reject(
        new SkeinError(
          'node-not-running',
          'refused',
          `no node is running here (${socketPath}); start it with "skein run"`,
          cause,
        ),
      )
    socket.on('error', notRunning)
    socket.on('connect', () => socket.write(`${JSON.stringify({ op, params })}\n`))
    socket.on('data', (chunk: Buffer) => {
      pieces.push(chunk)
      if (chunk.at(-1) !== 0x0a) return
      socket.end()
      try {
        resolve(resultOf(JSON.parse(Buffer.concat(pieces).toString()) as ControlReply))
      } catch (error) {
        reject(error)
      }
    })
    socket.on('close', () => notRunning(new Error('the node closed the connection before it answered')))
  })
}

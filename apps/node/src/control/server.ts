// Answers operator commands on DIR/control.sock. Only this machine's owner of the data directory can open the socket (0600).
import { chmodSync, rmSync } from 'node:fs'
import { type Server, type Socket, createServer } from 'node:net'
import { type Logger, SkeinError } from '@skein/runtime'
import { type ControlReply, type ControlRequest, controlLimits, errorReply } from './protocol.ts'

export interface ControlServer {
  close(): Promise<void>
}

export async function listenForControl(
  socketPath: string,
  run: (request: ControlRequest) => Promise<unknown>,
  logger: Logger,
): Promise<ControlServer> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', (error) => logger.debug({ error: String(error) }, 'a control connection broke'))
    serveConnection(socket, run, logger)
  })
  server.maxConnections = controlLimits.connectionsMax
  rmSync(socketPath, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath, resolve)
  })
  chmodSync(socketPath, 0o600)
  return {
    async close() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      })
      rmSync(socketPath, { force: true })
    },
  }
}

function serveConnection(socket: Socket, run: (request: ControlRequest) => Promise<unknown>, logger: Logger): void {
  let pieces: Buffer[] = []
  let length = 0
  const send = (reply: ControlReply) => socket.write(`${JSON.stringify(reply)}\n`)
  const answer = async (line: Buffer) => {
    try {
      send({ ok: true, result: await run(parseRequest(line)) })
    } catch (error) {
      if (!(error instanceof SkeinError)) logger.error({ error: describeError(error) }, 'an operator command failed')
      send(errorReply(error))
    }
  }
  socket.on('data', (chunk: Buffer) => {
    for (let rest = chunk; ;) {
      const end = rest.indexOf(0x0a)
      if (end < 0) {
        pieces.push(rest)
        length += rest.length
        break
      }
      pieces.push(rest.subarray(0, end))
      void answer(Buffer.concat(pieces))
      pieces = []
      length = 0
      rest = rest.subarray(end + 1)
    }
    if (length > controlLimits.requestBytesMax) socket.destroy()
  })
}

function parseRequest(line: Buffer): ControlRequest {
  try {
    const { op, params } = JSON.parse(line.toString()) as { op: unknown; params: unknown }
    if (typeof op === 'string') return { op, params }
  } catch {
    // Falls through to the one answer for everything that is no request.
  }
  throw new SkeinError(
    'bad-request',
    'refused',
    'a control request is one JSON object with "op" and "params" on a line',
  )
}

function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

// Joins a client's connection to a stream that another node serves: bytes go both ways, and a side that does not read stops
// the other. Promises: what was sent arrives before an end does; when the other node is lost, the client is told so where the
// wire allows it and is never told something that looks like the rest of an answer.
import type { Duplex } from 'node:stream'
import type { Clock, Timer } from './clock.ts'

/** Follows what goes to the client. */
export interface WireWatch {
  push(chunk: Buffer): void
  /** A line may be said here without being taken for a part of something else. */
  readonly betweenLines: boolean
}

export interface SpliceSettings {
  clock: Clock
  watch: WireWatch
  /** What the client has sent already. */
  first: readonly Buffer[]
  /** Said when the other node or the way to it is lost; whole lines. */
  lostText: string
  /** For whoever does not end their half, or does not read what is left. */
  lingerMs?: number
}

export interface Splice {
  /** Resolves when both are closed. */
  readonly done: Promise<void>
  /** Lets the other node finish what it is doing, then says `text` to the client and closes. */
  leave(text: string): void
  destroy(): void
}

const defaultLingerMs = 5_000

export function splice(client: Duplex, remote: Duplex, settings: SpliceSettings): Splice {
  const { clock, watch, first, lostText, lingerMs = defaultLingerMs } = settings
  const done = Promise.withResolvers<void>()
  let farewell: string | undefined
  let linger: Timer | undefined
  let isRemoteOver = false

  const destroy = () => {
    client.destroy()
    remote.destroy()
  }
  const closeSoon = () => {
    linger ??= clock.setTimer(lingerMs, destroy)
  }
  const closed = () => {
    if (!client.closed || !remote.closed) return
    linger?.cancel()
    done.resolve()
  }
  const endRemote = () => {
    if (remote.writable) remote.end()
  }
  const endClient = (text: string | undefined) => {
    if (isRemoteOver) return
    isRemoteOver = true
    closeSoon()
    if (client.writable) client.end(watch.betweenLines ? (text ?? '') : '')
    // What the client still sends is for nobody.
    client.resume()
  }

  client.on('data', (chunk: Buffer) => {
    if (remote.writable && !remote.write(chunk)) client.pause()
  })
  client.on('drain', () => remote.resume())
  client.once('end', endRemote)
  client.on('error', () => {})
  client.once('close', () => {
    // Commands that came before the end are still done; what they answer is for nobody.
    endRemote()
    remote.resume()
    closeSoon()
    closed()
  })

  remote.on('data', (chunk: Buffer) => {
    if (!client.writable) return
    watch.push(chunk)
    if (!client.write(chunk)) remote.pause()
  })
  remote.on('drain', () => client.resume())
  remote.once('end', () => {
    endClient(farewell)
    endRemote()
  })
  remote.on('error', () => {})
  remote.once('close', () => {
    endClient(farewell ?? lostText)
    closed()
  })

  for (const chunk of first) remote.write(chunk)
  if (client.readableEnded) endRemote()
  // Either may have gone before anybody listened.
  if (remote.destroyed) endClient(lostText)
  if (client.destroyed) remote.destroy()
  else client.resume()
  closed()

  return {
    done: done.promise,
    destroy,
    leave(text) {
      if (isRemoteOver || farewell !== undefined) return
      farewell = text
      endRemote()
    },
  }
}

// Sessions that send the largest letter that there may be, all at once: the node must stream them to its disk, not hold them.
import { ImapClient } from '../harness/imap-client.ts'
import { type SkeinNode, ports } from '../harness/skein.ts'
import { type FuzzAccount, rssBytes } from './fuzz-node.ts'

const chunk = Buffer.alloc(64 * 1024, 'a line of sixty-four bytes, to be sent again and again and again\r\n')
/** While the letters come: what sockets and the log hold. */
const streamingGrowthBytesMax = 320 * 1024 * 1024
/** Once they are there: each is read back for its index, one at a time; what is done with waits for the garbage collector. */
const growthBytesMax = 640 * 1024 * 1024

export interface LiteralFigures {
  seconds: number
  bytesSent: number
  rssBeforeBytes: number
  rssStreamingMaxBytes: number
  rssMaxBytes: number
}

/** All but the last bytes. @returns what sends those and waits for the answer */
async function send(client: ImapClient, bytes: number): Promise<() => Promise<void>> {
  const tag = client.nextTag()
  client.link.write(`${tag} APPEND INBOX {${bytes}}\r\n`)
  const { text } = await client.line()
  if (!text.startsWith('+')) throw new Error(text)
  for (let sent = 0; sent < bytes - chunk.length; sent += chunk.length) await client.link.writeAll(chunk)
  return async () => {
    await client.link.writeAll(chunk)
    client.link.write('\r\n')
    for (;;) {
      const { text } = await client.line(120_000)
      if (text.startsWith(`${tag} OK`)) return
      if (text.startsWith(`${tag} `)) throw new Error(text)
    }
  }
}

/** @param bytes a multiple of 64 KiB. @throws Error where the node grows by more than it may */
export async function largeLiterals(
  node: SkeinNode,
  account: FuzzAccount,
  sessions: number,
  bytes: number,
): Promise<LiteralFigures> {
  const started = performance.now()
  const before = rssBytes(node)
  const figures = {
    seconds: 0,
    bytesSent: sessions * bytes,
    rssBeforeBytes: before,
    rssStreamingMaxBytes: before,
    rssMaxBytes: before,
  }
  const watch = setInterval(() => {
    figures.rssMaxBytes = Math.max(figures.rssMaxBytes, rssBytes(node))
  }, 20)
  const clients: ImapClient[] = []
  try {
    const endings = await Promise.all(
      Array.from({ length: sessions }, async () => {
        const where = { host: node.address, port: ports.imap }
        const client = await ImapClient.login(where, account.user, account.password)
        clients.push(client)
        return await send(client, bytes)
      }),
    )
    figures.rssStreamingMaxBytes = figures.rssMaxBytes
    await Promise.all(endings.map((end) => end()))
  } finally {
    clearInterval(watch)
    for (const client of clients) client.link.destroy()
  }
  figures.seconds = (performance.now() - started) / 1000
  const { rssStreamingMaxBytes, rssMaxBytes } = figures
  if (rssStreamingMaxBytes > before + streamingGrowthBytesMax || rssMaxBytes > before + growthBytesMax) {
    throw new Error(`the node grew too much: ${JSON.stringify(figures)}`)
  }
  return figures
}

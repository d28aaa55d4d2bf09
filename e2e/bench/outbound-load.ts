// Letters submitted as fast as the server takes them, to domains that all lead to the sink in this process; ends when all arrived.
import { setTimeout as delay } from 'node:timers/promises'
import type { OutboundJob, OutboundResult } from './job.ts'
import { startSink } from './sink.ts'
import { letterRest, runLoadSession } from './smtp-load.ts'

const arrivedDeadlineMs = 120_000

export async function outbound(job: OutboundJob, nextMessageId: () => string): Promise<OutboundResult> {
  const { destinations, users } = job
  const [first] = destinations
  if (!first) throw new Error('no destinations')
  const sink = await startSink(
    destinations.map(({ address }) => address),
    first.port,
  )
  try {
    let acknowledged = 0
    let refused = 0
    let next = 0
    // Log-ins are not what is measured here: the clock starts when the last of them is done.
    let loggedIn = 0
    let started = Infinity
    let begin: () => void = () => undefined
    const allLoggedIn = new Promise<void>((resolve) => (begin = resolve))
    const beforeFirst = () => {
      loggedIn += 1
      if (loggedIn === job.sessions) {
        started = performance.now()
        begin()
      }
      return allLoggedIn
    }
    const sessions = Array.from({ length: job.sessions }, (_, index) =>
      runLoadSession({
        protocol: 'smtp',
        endpoint: job.endpoint,
        recipient: () => `someone@${(destinations[next++ % destinations.length] as { domain: string }).domain}`,
        login: users[index % users.length] as { address: string; password: string },
        clearText: true,
        rest: letterRest(job.messageBytes),
        oneLetterASession: false,
        nextMessageId,
        wantsMore: () => performance.now() < started + job.seconds * 1000,
        beforeFirst,
        taken: () => void (acknowledged += 1),
        refused: () => void (refused += 1),
      }),
    )
    await Promise.all(sessions)
    const submittedSeconds = (performance.now() - started) / 1000
    const deadline = performance.now() + arrivedDeadlineMs
    while (sink.letters.size < acknowledged) {
      if (performance.now() > deadline) throw new Error(`${acknowledged - sink.letters.size} letters never arrived`)
      await delay(5)
    }
    const seconds = (performance.now() - started) / 1000
    const extra = sink.taken() - acknowledged
    if (extra > 0) throw new Error(`${extra} letters arrived twice`)
    const arrived = sink.letters.size
    return {
      letters: arrived,
      refused,
      submittedSeconds,
      seconds,
      lettersPerSecond: arrived / seconds,
      connections: sink.connections(),
    }
  } finally {
    sink.close()
  }
}

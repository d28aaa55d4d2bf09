// A stress run: IMAP sessions with and without QRESYNC, a POP3 session that deletes, an SMTP session that delivers, some of them at
// a node that is not the account's home; then the count.
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { createSeededRandom } from '@skein/testkit'
import type { SeededRandom } from '@skein/testkit'
import { Pop3Client } from '../harness/pop3-client.ts'
import { type SkeinNode, ports } from '../harness/skein.ts'
import { SmtpClient } from '../harness/smtp-client.ts'
import { StressGround, keptMailbox, lastingMailboxes } from './ground.ts'
import { serialOf, stressLetter } from './letters.ts'
import { StressSession } from './stress-session.ts'

const imapSessions = 6

export interface StressFigures {
  commands: number
  answers: number
  letters: number
}

/** @throws Error with the seed in it when anything was told or kept that cannot be */
export async function runStress(
  nodes: readonly SkeinNode[],
  user: string,
  password: string,
  seed: number,
  seconds: number,
): Promise<StressFigures> {
  const ground = new StressGround(nodes, user, password, seconds, imapSessions + 2)
  const random = createSeededRandom(seed)
  try {
    {
      await using client = await ground.login()
      await client.must('CREATE "&XeVPXA-"')
      await client.must(`CREATE ${keptMailbox}`)
      await client.select(keptMailbox)
      const { untagged } = await client.must(`STATUS ${keptMailbox} (UIDVALIDITY)`)
      ground.keptValidity = Number(/UIDVALIDITY (\d+)/.exec(untagged[0]?.text ?? '')?.[1])
    }
    const sessions = Array.from({ length: imapSessions }, (_, at) => {
      const name = `session ${at + 1}${at % 2 === 0 ? '' : ' (QRESYNC)'} at ${ground.address(at >> 1)}`
      return new StressSession(ground, random.fork(name), name, { client: at >> 1, qresync: at % 2 === 1 })
    })
    const failed = (error: unknown) => {
      ground.stop()
      throw error
    }
    await Promise.all([
      ...sessions.map((session) => session.run().catch(failed)),
      deliver(ground, random.fork('smtp')).catch(failed),
      popMail(ground, random.fork('pop3')).catch(failed),
    ])
    await assertKept(ground)
    return { commands: ground.commands, answers: ground.answers, letters: ground.kept.size }
  } catch (error) {
    throw new Error(`seed ${seed}, ${ground.commands} commands done: ${String(error)}`, { cause: error })
  }
}

async function deliver(ground: StressGround, random: SeededRandom): Promise<void> {
  await using client = await SmtpClient.connect({ host: ground.address(0), port: ports.smtp })
  await client.ehlo()
  while (!ground.over) {
    const { code, text } = await client.send('wang@elsewhere.test', [ground.user], stressLetter(ground.nextSerial()))
    assert.equal(code, 250, text)
    await delay(random.between(0, 150))
  }
  await ground.quiet()
}

/** Reads some letters, takes a few away, sometimes goes without QUIT. */
async function popMail(ground: StressGround, random: SeededRandom): Promise<void> {
  while (!ground.over) {
    await using client = await Pop3Client.login(
      { host: ground.address(1), port: ports.pop3 },
      ground.user,
      ground.password,
    )
    const count = await client.count()
    for (let left = count > 0 ? 5 : 0; left > 0; left--) {
      const number = random.between(1, count)
      const reply = await client.command(`LIST ${number}`)
      if (!reply.startsWith('+OK')) continue
      if (random.chance(0.5)) await client.must(`DELE ${number}`)
      else await readByPop(client, number)
    }
    if (random.chance(0.7)) await client.quit()
    await delay(random.between(50, 400))
  }
  await ground.quiet()
}

/** Another session may have expunged it: then an error, never other bytes. */
async function readByPop(client: Pop3Client, number: number): Promise<void> {
  try {
    serialOf(await client.multiLine(`RETR ${number}`))
  } catch (error) {
    if (!/RETR \d+: -ERR/.test(String(error))) throw error
  }
}

/** Every letter that was acknowledged in the kept mailbox is there, once, under its UID and byte for byte; all others are whole. */
async function assertKept(ground: StressGround): Promise<void> {
  await using client = await ground.login()
  for (const mailbox of lastingMailboxes) {
    await client.select(mailbox === '工作' ? '&XeVPXA-' : mailbox)
    const { untagged } = await client.must('STATUS ' + (mailbox === '工作' ? '"&XeVPXA-"' : mailbox) + ' (UIDVALIDITY)')
    const uidValidity = Number(untagged.map(({ text }) => /UIDVALIDITY (\d+)/.exec(text)?.[1]).find(Boolean))
    const bodies = client.exists > 0 ? await client.fetchBodies('1:*') : new Map<number, Buffer>()
    for (const [uid, body] of bodies) {
      const serial = serialOf(body)
      const known = ground.serialAt(uidValidity, uid)
      assert.ok(known === undefined || known === serial, `UID ${uid} of ${mailbox} was letter ${known}, now ${serial}`)
    }
    if (mailbox !== keptMailbox) continue
    assert.deepEqual(
      [...bodies.keys()],
      [...ground.kept.keys()].sort((a, b) => a - b),
      'UIDs in the kept mailbox',
    )
  }
}

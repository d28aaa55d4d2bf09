// One IMAP session of a stress run: does random legal commands, and takes no untagged answer that cannot be.
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { ImapBelief, numbersOf } from '@skein/testkit'
import type { SeededRandom } from '@skein/testkit'
import { type ImapClient, type ImapLine, quoted } from '../harness/imap-client.ts'
import { type StressGround, keptMailbox, lastingMailboxes, passingMailboxes } from './ground.ts'
import { serialOf, stressLetter } from './letters.ts'

/** RFC 3501 §5.1.3 */
const wireNames: Readonly<Record<string, string>> = { 工作: '&XeVPXA-' }
const flagSets = ['\\Seen', '\\Flagged', '\\Answered $Forwarded', '\\Deleted', '\\Deleted \\Seen', '$Label1', '']
/** What commands may be told besides OK: another session was quicker, or the mailbox is only examined. */
const allowedRefusals =
  /^NO( \[(EXPUNGEISSUED|TRYCREATE|NONEXISTENT|ALREADYEXISTS|READ-ONLY|HASCHILDREN|CANNOT|INUSE)\])? /

interface Said {
  status: string
  untagged: ImapLine[]
}

/** What a client keeps of a mailbox while it is away (RFC 7162 §3.2.5). */
interface Kept {
  mailbox: string
  uidValidity: number
  highestModseq: number
  flags: Map<number, readonly string[] | undefined>
}

const linesKept = 60

class Bye extends Error {}

export class StressSession {
  readonly #ground: StressGround
  readonly #random: SeededRandom
  readonly #qresync: boolean
  readonly #number: number
  readonly name: string
  #client!: ImapClient
  #belief!: ImapBelief
  #mailbox: string | undefined
  #readOnly = false
  #selecting = false
  #kept: Kept | undefined
  /** The last lines, for a failure. */
  readonly #lines: string[] = []

  constructor(
    ground: StressGround,
    random: SeededRandom,
    name: string,
    { client, qresync }: { client: number; qresync: boolean },
  ) {
    this.#ground = ground
    this.#random = random
    this.name = name
    this.#qresync = qresync
    this.#number = client
  }

  async run(): Promise<void> {
    try {
      await this.#connect()
      while (!this.#ground.over) {
        await this.#stepOrBye()
        if (this.#random.chance(0.2)) await delay(this.#random.integer(10))
      }
      await this.#settle()
    } catch (error) {
      const where = `${this.name} in ${this.#mailbox ?? 'no mailbox'}`
      throw new Error(`${where}: ${String(error)}\n${this.#lines.join('\n')}`, { cause: error })
    } finally {
      this.#client?.link.destroy()
    }
  }

  /** A mailbox that comes and goes may go while it is selected: then, and only then, the session ends. */
  async #stepOrBye(): Promise<void> {
    try {
      await this.#step()
    } catch (error) {
      if (!(error instanceof Bye && (this.#mailbox === undefined || this.#isPassing()))) throw error
      this.#selecting = false
      this.#client.link.destroy()
      await this.#connect()
    }
  }

  async #connect(): Promise<void> {
    this.#client = await this.#ground.login(this.#number)
    this.#belief = new ImapBelief(this.#ground.lore)
    this.#mailbox = undefined
    if (!this.#qresync) return
    await this.#command('ENABLE QRESYNC')
    this.#belief.vanishing = true
  }

  /** The line breaks: what is known so far is kept for the next SELECT. */
  async #drop(): Promise<void> {
    this.#keep()
    this.#client.link.destroy()
    await this.#connect()
  }

  #keep(): void {
    const belief = this.#belief
    if (!this.#qresync || this.#mailbox === undefined || belief.uidValidity === 0) return
    const flags = new Map<number, readonly string[] | undefined>()
    for (const message of belief.messages) if (message.uid !== undefined) flags.set(message.uid, message.flags)
    const { uidValidity, highestModseq } = belief
    this.#kept = { mailbox: this.#mailbox, uidValidity, highestModseq, flags }
  }

  #send(command: string): string {
    const tag = this.#client.nextTag()
    this.#note(`C: ${command}`)
    this.#client.link.write(`${tag} ${command}\r\n`)
    this.#ground.commands += 1
    return tag
  }

  #note(line: string): void {
    this.#lines.push(line.slice(0, 160))
    if (this.#lines.length > linesKept) this.#lines.shift()
  }

  #hear(line: ImapLine, numbersFixed: boolean): void {
    this.#note(line.text)
    this.#ground.answers += 1
    if (line.text.startsWith('* OK [CLOSED]') && !this.#selecting) this.#closedUnasked()
    this.#belief.take(line.text, { numbersFixed })
    this.#readBody(line)
  }

  /** The selected mailbox is gone: only one that comes and goes may be. */
  #closedUnasked(): void {
    if (!this.#isPassing()) throw new Error(`CLOSED, unasked, in ${this.#mailbox ?? 'no mailbox'}`)
    this.#belief.close()
    this.#mailbox = undefined
    this.#kept = undefined
  }

  /** A whole body must be the letter that it says it is, and the one that this UID has always been. */
  #readBody({ text, literals }: ImapLine): void {
    const number = /^\* (\d+) FETCH .*\bBODY\[\] \{/.exec(text)?.[1]
    const body = literals[0]
    if (number === undefined || body === undefined) return
    const serial = serialOf(body)
    const uid = this.#belief.messages[Number(number) - 1]?.uid
    if (uid !== undefined) this.#ground.noteSerial(this.#belief.uidValidity, uid, serial)
  }

  async #answer(tag: string, numbersFixed: boolean): Promise<Said> {
    const untagged: ImapLine[] = []
    for (;;) {
      const line = await this.#client.line()
      if (line.text.startsWith(`${tag} `)) {
        this.#note(line.text)
        return { status: line.text.slice(tag.length + 1), untagged }
      }
      if (line.text.startsWith('+')) continue
      if (line.text.startsWith('* BYE')) throw new Bye(line.text)
      untagged.push(line)
      this.#hear(line, numbersFixed)
    }
  }

  async #command(command: string, numbersFixed = false): Promise<Said> {
    const said = await this.#answer(this.#send(command), numbersFixed)
    // What was selected has been closed within this step.
    if (said.status.startsWith('BAD') && this.#mailbox === undefined) throw new Bye(said.status)
    assert.ok(said.status.startsWith('OK') || allowedRefusals.test(said.status), said.status)
    return said
  }

  #set(): string {
    const count = this.#belief.messages.length
    const one = () => this.#random.between(1, count)
    return this.#random.pick([`${one()}`, `${one()}:${one()}`, `${one()},${one()}`, '*', '1:*'])
  }

  #uidSet(): string {
    const known = this.#belief.messages.flatMap(({ uid }) => uid ?? [])
    const one = () => (known.length > 0 ? this.#random.pick(known) : this.#random.between(1, 50))
    return this.#random.pick([`${one()}`, `${one()}:${one()}`, `${one()},${one()},${one()}`, `${one()}:*`])
  }

  #flags(): string {
    const silent = this.#random.chance(0.2) ? '.SILENT' : ''
    return `${this.#random.pick(['', '+', '-'])}FLAGS${silent} (${this.#random.pick(flagSets)})`
  }

  #anyMailbox(): string {
    return this.#random.pick(this.#random.chance(0.8) ? lastingMailboxes : passingMailboxes)
  }

  async #step(): Promise<void> {
    const random = this.#random
    if (this.#mailbox === undefined || random.chance(0.04)) return this.#select(this.#anyMailbox())
    if (random.chance(0.015)) return this.#drop()
    const count = this.#belief.messages.length
    const kind = random.integer(count > 0 ? 17 : 8)
    if (kind === 0) return void (await this.#command('NOOP'))
    if (kind === 1) return this.#append()
    if (kind === 2) return this.#idle()
    if (kind === 3) return this.#passing()
    if (kind === 4) return this.#status()
    if (kind === 5) return void (await this.#command(`UID FETCH 1:* (${this.#items()})`))
    if (kind === 6) return this.#expunge()
    if (kind === 7) return random.chance(0.3) ? this.#close() : void (await this.#command('CHECK'))
    if (kind <= 10) return void (await this.#command(`FETCH ${this.#set()} (${this.#items()})`, true))
    if (kind <= 12) return this.#store()
    if (kind === 13)
      return void (await this.#command(
        this.#random.pick(['SEARCH UNDELETED', 'SEARCH SEEN', 'SEARCH 1:* NOT FLAGGED']),
        true,
      ))
    if (kind === 14) return void (await this.#command('UID SEARCH DELETED'))
    if (kind === 15 && random.chance(0.3)) return this.#replace()
    return this.#copy()
  }

  #items(): string {
    return this.#random.pick([
      'FLAGS',
      'UID FLAGS',
      'UID FLAGS MODSEQ',
      'UID BODY.PEEK[]',
      'UID BODY[]',
      'UID ENVELOPE RFC822.SIZE',
      'UID BODYSTRUCTURE',
    ])
  }

  async #select(mailbox: string): Promise<void> {
    this.#keep()
    const name = wireNames[mailbox] ?? mailbox
    const verb = this.#random.chance(0.1) ? 'EXAMINE' : 'SELECT'
    const kept = this.#kept?.mailbox === mailbox ? this.#kept : undefined
    const known = kept && kept.flags.size > 0 ? ` ${[...kept.flags.keys()].sort((a, b) => a - b).join(',')}` : ''
    const how = this.#qresync
      ? kept && kept.highestModseq > 0
        ? ` (QRESYNC (${kept.uidValidity} ${kept.highestModseq}${known}))`
        : ' (CONDSTORE)'
      : ''
    this.#belief.willSelect()
    this.#selecting = true
    const { status, untagged } = await this.#command(`${verb} ${quoted(name)}${how}`)
    this.#selecting = false
    if (!status.startsWith('OK')) {
      this.#belief.close()
      this.#mailbox = undefined
      return
    }
    this.#mailbox = mailbox
    this.#readOnly = status.includes('READ-ONLY')
    if (mailbox === keptMailbox) this.#ground.keptValidity = this.#belief.uidValidity
    if (kept) await this.#compareWithKept(kept, untagged)
    // A client that keeps up by VANISHED knows its UIDs.
    if (this.#qresync) await this.#command('UID FETCH 1:* (UID FLAGS)')
  }

  /** What was kept and what SELECT has told add up to what is there, but for what has changed since SELECT. */
  async #compareWithKept(kept: Kept, untagged: readonly ImapLine[]): Promise<void> {
    if (kept.uidValidity !== this.#belief.uidValidity) return
    const now = new Map(kept.flags)
    const told = new Set<number>()
    for (const { text } of untagged) {
      const gone = /^\* VANISHED \(EARLIER\) ([\d:,]+)$/.exec(text)?.[1]
      if (gone !== undefined) for (const uid of numbersOf(gone)) now.delete(uid)
      const [, uid, flags] = /^\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\)/.exec(text) ?? []
      if (uid === undefined) continue
      now.set(Number(uid), (flags ?? '').split(' ').filter(Boolean).sort())
      told.add(Number(uid))
    }
    const selectedAt = this.#belief.highestModseq
    await this.#command('UID FETCH 1:* (UID FLAGS MODSEQ)')
    for (const { uid, flags, modseq } of this.#belief.messages) {
      // RFC 7162 §3.2.5.1: only what it says that it knows is told.
      if (uid === undefined || !kept.flags.has(uid) || modseq === undefined || modseq > selectedAt) continue
      assert.ok(now.has(uid), `QRESYNC did not tell of UID ${uid} (MODSEQ ${modseq})`)
      const believed = now.get(uid)
      if (believed !== undefined) assert.deepEqual(believed, flags, `QRESYNC did not tell of UID ${uid}'s flags`)
      now.delete(uid)
    }
    // What is left has gone, or changed, after SELECT.
    for (const uid of now.keys()) {
      const message = this.#belief.messages.find((it) => it.uid === uid)
      assert.ok(
        message !== undefined ||
          this.#ground.lore.of(kept.uidValidity).gone.has(uid) ||
          !kept.flags.has(uid) ||
          told.has(uid),
        `QRESYNC did not tell that UID ${uid} is gone`,
      )
    }
  }

  async #append(): Promise<void> {
    const random = this.#random
    const mailbox = this.#anyMailbox()
    const letters = Array.from({ length: random.chance(0.2) ? 3 : 1 }, () => this.#ground.nextSerial())
    const tag = this.#client.nextTag()
    this.#note(`C: APPEND ${mailbox}`)
    this.#ground.commands += 1
    const pieces: Buffer[] = [Buffer.from(`${tag} APPEND ${quoted(wireNames[mailbox] ?? mailbox)}`)]
    for (const serial of letters) {
      const bytes = stressLetter(serial)
      pieces.push(Buffer.from(` (${random.pick(flagSets)}) {${bytes.length}+}\r\n`), bytes)
    }
    this.#client.link.write(Buffer.concat([...pieces, Buffer.from('\r\n')]))
    const { status } = await this.#answer(tag, false)
    assert.ok(status.startsWith('OK') || allowedRefusals.test(status), status)
    const [, uidValidity, uids] = /\[APPENDUID (\d+) ([\d:,]+)\]/.exec(status) ?? []
    if (!status.startsWith('OK')) return
    assert.ok(uids !== undefined, status)
    this.#ground.noteArrived(Number(uidValidity), uids, letters)
  }

  async #idle(): Promise<void> {
    const tag = this.#send('IDLE')
    const until = performance.now() + this.#random.between(1, 80)
    let done = false
    for (;;) {
      if (!done && performance.now() >= until) {
        this.#client.link.write('DONE\r\n')
        done = true
      }
      if (!done && this.#client.link.buffered === 0) {
        await delay(2)
        continue
      }
      const line = await this.#client.line()
      if (line.text.startsWith('+')) continue
      if (line.text.startsWith(`${tag} `)) return assert.match(line.text, / OK /)
      if (line.text.startsWith('* BYE')) throw new Bye(line.text)
      this.#hear(line, false)
    }
  }

  /** Mailboxes come and go. The one that is selected here stays. */
  async #passing(): Promise<void> {
    const random = this.#random
    const name = random.pick(passingMailboxes)
    const other = random.pick(passingMailboxes)
    const kind = random.integer(4)
    if (kind <= 1) await this.#command(`CREATE ${name}`)
    else if (kind === 2 && !this.#isPassing()) await this.#command(`DELETE ${name}`)
    else if (name !== other) await this.#renamePassing(name, other)
  }

  async #renamePassing(name: string, other: string): Promise<void> {
    const said = await this.#answer(this.#send(`RENAME ${name} ${other}`), false)
    assert.match(said.status, /^(OK|NO)/)
    if (said.status.startsWith('OK') && this.#mailbox === name) this.#mailbox = other
  }

  #isPassing(): boolean {
    return (passingMailboxes as readonly string[]).includes(this.#mailbox ?? '')
  }

  async #status(): Promise<void> {
    const mailbox = this.#random.pick(lastingMailboxes)
    const before = this.#ground.lore.snapshot()
    const { untagged } = await this.#command(
      `STATUS ${quoted(wireNames[mailbox] ?? mailbox)} (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)`,
    )
    const text = untagged.map((line) => line.text).find((line) => line.startsWith('* STATUS ')) ?? ''
    const value = (item: string) => Number(new RegExp(`${item} (\\d+)`).exec(text)?.[1] ?? Number.NaN)
    const known = before.get(value('UIDVALIDITY'))
    assert.ok(value('UIDNEXT') > (known?.uid ?? 0), text)
    assert.ok(value('HIGHESTMODSEQ') >= (known?.modseq ?? 0), text)
    assert.ok(value('MESSAGES') < value('UIDNEXT'), text)
  }

  async #expunge(): Promise<void> {
    if (this.#mailbox === keptMailbox) return
    await this.#command(this.#random.chance(0.5) ? 'EXPUNGE' : `UID EXPUNGE ${this.#uidSet()}`)
  }

  async #close(): Promise<void> {
    this.#keep()
    const unselect = this.#mailbox === keptMailbox || this.#random.chance(0.5)
    await this.#command(unselect ? 'UNSELECT' : 'CLOSE')
    // CLOSE has taken away what it did not tell of; QRESYNC must tell of it when the mailbox is selected again.
    this.#belief.close()
    this.#mailbox = undefined
  }

  async #store(): Promise<void> {
    const byUid = this.#random.chance(0.5)
    const flags = this.#flags()
    const unchanged = this.#qresync && this.#random.chance(0.3) ? ` (UNCHANGEDSINCE ${this.#belief.highestModseq})` : ''
    // In the kept mailbox nothing may come to be deleted, nor may flags be replaced while others count on them.
    const safe = this.#mailbox === keptMailbox ? '+FLAGS (\\Seen)' : flags
    await this.#command(
      `${byUid ? 'UID ' : ''}STORE ${byUid ? this.#uidSet() : this.#set()}${unchanged} ${safe}`,
      !byUid,
    )
    if (safe.includes('.SILENT')) this.#belief.forgetFlags()
  }

  async #copy(): Promise<void> {
    const random = this.#random
    const target = this.#anyMailbox()
    const move = this.#mailbox !== keptMailbox && target !== this.#mailbox && random.chance(0.5)
    const byUid = random.chance(0.5)
    const name = quoted(wireNames[target] ?? target)
    // Small sets, or the mailboxes would grow by half each time.
    const number = random.between(1, this.#belief.messages.length)
    const uid = this.#belief.messages[number - 1]?.uid
    if (byUid && uid === undefined) return
    const source = this.#belief.uidValidity
    const said = await this.#command(`${byUid ? 'UID ' : ''}${move ? 'MOVE' : 'COPY'} ${byUid ? uid : number} ${name}`)
    const text = [...said.untagged.map((line) => line.text), said.status].find((line) => line.includes('[COPYUID '))
    const [, uidValidity, from, to] = /\[COPYUID (\d+) ([\d:,]+) ([\d:,]+)\]/.exec(text ?? '') ?? []
    if (from === undefined || to === undefined) return
    this.#ground.noteArrived(
      Number(uidValidity),
      to,
      numbersOf(from).map((it) => this.#ground.serialAt(source, it)),
    )
  }

  /** RFC 8508: the new letter is in before the old one goes, or nothing has happened. */
  async #replace(): Promise<void> {
    const known = this.#belief.messages.flatMap(({ uid }) => uid ?? [])
    if (known.length === 0 || this.#mailbox === keptMailbox) return
    const target = this.#anyMailbox()
    const serial = this.#ground.nextSerial()
    const bytes = stressLetter(serial)
    const command = `UID REPLACE ${this.#random.pick(known)} ${quoted(wireNames[target] ?? target)} () {${bytes.length}+}`
    const tag = this.#send(command)
    this.#client.link.write(Buffer.concat([bytes, Buffer.from('\r\n')]))
    const { status, untagged } = await this.#answer(tag, false)
    assert.ok(status.startsWith('OK') || allowedRefusals.test(status), status)
    const texts = [...untagged.map((line) => line.text), status]
    const [, uidValidity, uids] =
      /\[APPENDUID (\d+) ([\d:,]+)\]/.exec(texts.find((text) => text.includes('[APPENDUID ')) ?? '') ?? []
    assert.equal(uids !== undefined, status.startsWith('OK'), texts.join(' | '))
    if (uids !== undefined) this.#ground.noteArrived(Number(uidValidity), uids, [serial])
  }

  /** All is quiet: what is believed is what is there. */
  async #settle(): Promise<void> {
    await this.#ground.quiet()
    if (this.#mailbox === undefined || this.#isPassing()) return
    await this.#command('NOOP')
    const flags = this.#belief.messages.map((message) => message.flags)
    const uids = this.#belief.messages.map((message) => message.uid)
    await this.#command('UID FETCH 1:* (UID FLAGS MODSEQ)')
    await using witness = await this.#ground.login()
    await witness.select(wireNames[this.#mailbox] ?? this.#mailbox)
    const { untagged } = await witness.must('UID FETCH 1:* (FLAGS)')
    const truth = untagged.flatMap(({ text }) => {
      const [, set] = /FLAGS \(([^)]*)\)/.exec(text) ?? []
      const [, uid] = /UID (\d+)/.exec(text) ?? []
      return uid === undefined ? [] : [{ uid: Number(uid), flags: (set ?? '').split(' ').filter(Boolean).sort() }]
    })
    assert.deepEqual(
      this.#belief.messages.map(({ uid, flags }) => ({ uid, flags })),
      truth,
    )
    for (const [at, message] of truth.entries()) {
      if (flags[at] !== undefined) assert.deepEqual(flags[at], message.flags, `UID ${message.uid} has changed unsaid`)
      if (uids[at] !== undefined) assert.equal(uids[at], message.uid)
    }
    if (this.#readOnly) return
    await this.#command('UNSELECT')
  }
}

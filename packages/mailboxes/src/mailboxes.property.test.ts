// Random operations against a simple model: what an account shows, what the store holds and what its journal tells must
// all be the model, after failures and restarts too.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SkeinError, silentLogger } from '@skein/runtime'
import { VirtualClock, createMemoryMailboxStore, createMemoryMessageLog, createSeededRandom } from '@skein/testkit'
import type { MemoryMailboxStore, MemoryMessageLog } from '@skein/testkit'
import fc from 'fast-check'
import { createMailboxes } from './mailboxes.ts'
import type { AccountMailboxes, FlagChange, JournalEntry, MailboxRecord, MessageRecord, NewMessage } from './ports.ts'

const accountId = 'a'.repeat(32)
const reader = 'b'.repeat(32)
const names = ['INBOX', 'Sent', 'work', 'work/old', 'Älter']
const flags = ['\\Seen', '\\Deleted', '\\Flagged', 'todo', '$Label1']

interface ModelMessage {
  uid: number
  flags: Set<string>
  emailId: string
  size: number
  /** By somebody with whom the mailbox is shared. */
  seenByReader: boolean
}

interface ModelMailbox {
  name: string
  uidValidity: number
  uidNext: number
  messages: ModelMessage[]
  shared: boolean
  subscribed: boolean
}

type Step =
  | { do: 'append'; to: number; sizes: number[]; flags: string[] }
  | { do: 'appends'; to: number; count: number }
  | { do: 'store'; in: number; pick: number; mode: FlagChange['mode']; flags: string[] }
  | { do: 'copy' | 'move'; from: number; to: number; pick: number }
  | { do: 'expunge'; in: number; pick: number }
  | { do: 'seen'; in: number; pick: number; seen: boolean }
  | { do: 'replace'; from: number; to: number; pick: number }
  | { do: 'create' | 'delete'; name: number }
  | { do: 'rename'; from: number; to: number }
  | { do: 'subscribe'; name: number; subscribed: boolean }
  | { do: 'together'; in: number; picks: number[]; flags: string[]; expunged: number }
  | { do: 'load'; in: number }
  | { do: 'fail'; reachesDisk: boolean }
  | { do: 'reopen'; crash: boolean }

// The first two are always there, so most steps find something.
const mailboxIndex = fc.oneof({ weight: 2, arbitrary: fc.nat(1) }, { weight: 1, arbitrary: fc.nat(names.length - 1) })
const someFlags = fc.subarray(flags)
// Bits choose messages.
const pick = fc.nat(2 ** 16 - 1)
const mode = fc.constantFrom('add' as const, 'remove' as const, 'replace' as const)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      to: mailboxIndex,
      sizes: fc.array(fc.nat(300), { minLength: 1, maxLength: 4 }),
      flags: someFlags,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('appends' as const),
      to: mailboxIndex,
      count: fc.integer({ min: 2, max: 6 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('store' as const), in: mailboxIndex, pick, mode, flags: someFlags }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('copy' as const, 'move' as const),
      from: mailboxIndex,
      to: mailboxIndex,
      pick,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('expunge' as const), in: mailboxIndex, pick }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('seen' as const), in: mailboxIndex, pick, seen: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('replace' as const), from: mailboxIndex, to: mailboxIndex, pick }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('create' as const, 'delete' as const), name: mailboxIndex }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rename' as const), from: mailboxIndex, to: mailboxIndex }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('subscribe' as const), name: mailboxIndex, subscribed: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('together' as const),
      in: mailboxIndex,
      picks: fc.array(pick, { minLength: 2, maxLength: 4 }),
      flags: fc.array(fc.constantFrom(...flags), { minLength: 4, maxLength: 4 }),
      expunged: pick,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('load' as const), in: mailboxIndex }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('fail' as const), reachesDisk: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const), crash: fc.boolean() }) },
)

class Trial {
  readonly clock = new VirtualClock()
  readonly random = createSeededRandom(7)
  log: MemoryMessageLog = createMemoryMessageLog()
  store: MemoryMailboxStore = createMemoryMailboxStore()
  account!: AccountMailboxes
  /** The same account as somebody else sees it. */
  visitor!: AccountMailboxes
  readonly model = new Map<string, ModelMailbox>()
  /** Subscribed without a mailbox. */
  readonly #subscribedNames = new Set<string>()
  /** Highest UID ever seen, by UIDVALIDITY. */
  readonly #highest = new Map<number, number>()
  #modseq = 0
  #heard: JournalEntry[] = []
  #failing: { reachesDisk: boolean } | undefined

  async open(): Promise<void> {
    const { store, log, clock, random } = this
    const mailboxes = createMailboxes({ store, log, clock, random, logger: silentLogger })
    await mailboxes.createAccount(accountId, { quotaBytes: 0, epoch: 1 })
    this.account = await mailboxes.open(accountId)
    this.account.onChange(({ entry }) => {
      assert.equal(entry.seq, this.account.state().seq, 'told when it is visible')
      this.#heard.push(entry)
    })
    if (this.model.size === 0) {
      for (const name of ['INBOX', 'Sent']) {
        const { id } = this.account.byName(name) as MailboxRecord
        await this.account.setAcl(id, { who: reader, rights: 'lrs' }, 'replace')
      }
    }
    this.visitor = await mailboxes.openShared(accountId, reader)
    this.#adopt()
  }

  #named(name: string): ModelMailbox | undefined {
    return [...this.model.values()].find((it) => it.name === name)
  }

  #idOf(index: number): string | undefined {
    return this.account.byName(names[index] as string)?.id
  }

  #picked(mailbox: ModelMailbox, bits: number): ModelMessage[] {
    return mailbox.messages.filter((_message, at) => bits & (1 << (at % 16)))
  }

  /** Runs the step, and does the same to the model where it came through. */
  async run(it: Step): Promise<void> {
    if (it.do === 'fail') {
      this.#failing = { reachesDisk: it.reachesDisk }
      return
    }
    if (it.do === 'reopen') {
      if (it.crash) {
        this.store = this.store.crash()
        this.log = this.log.crash()
      }
      return this.open()
    }
    const failing = this.#failing
    this.#failing = undefined
    if (failing) this.store.failCommits(new SkeinError('disk-full', 'temporary', 'full'), failing.reachesDisk)
    const before = this.account.state().seq
    try {
      await this.#perform(it, failing === undefined || failing.reachesDisk)
    } catch (error) {
      assert.ok(error instanceof SkeinError, String(error))
      if (!failing) assert.notEqual(error.code, 'disk-full')
    }
    if (failing) {
      this.store.failCommits(undefined)
      if (!failing.reachesDisk) assert.equal(this.account.state().seq, before)
    }
  }

  /** @param counts false where the disk refuses: then the model stays as it is. */
  async #perform(it: Exclude<Step, { do: 'fail' | 'reopen' }>, counts: boolean): Promise<void> {
    switch (it.do) {
      case 'append':
        return this.#append(it.to, it.sizes, it.flags, counts)
      case 'appends': {
        const sizes = Array.from({ length: it.count }, (_, at) => at)
        const all = await Promise.allSettled(sizes.map((size) => this.#append(it.to, [size], [], counts)))
        const failed = all.find((one) => one.status === 'rejected')
        if (failed) throw failed.reason
        return
      }
      case 'store':
        return this.#store(it, counts)
      case 'copy':
      case 'move':
        return this.#copy(it, counts)
      case 'expunge':
        return this.#expunge(it, counts)
      case 'seen':
        return this.#seen(it, counts)
      case 'replace':
        return this.#replace(it, counts)
      case 'create':
        return this.#create(names[it.name] as string, counts)
      case 'delete':
        return this.#delete(names[it.name] as string, counts)
      case 'rename':
        return this.#rename(names[it.from] as string, names[it.to] as string, counts)
      case 'subscribe':
        return this.#subscribe(names[it.name] as string, it.subscribed, counts)
      case 'together':
        return this.#together(it, counts)
      case 'load': {
        const id = this.#idOf(it.in)
        if (id !== undefined) await this.account.messages(id)
      }
    }
  }

  /** The call decides; where a late failure is told for what reached the disk, the model follows the disk. */
  async #outcome<Result>(call: Promise<Result>, counts: boolean, apply: () => void): Promise<Result | undefined> {
    try {
      const result = await call
      apply()
      return result
    } catch (error) {
      if (counts && error instanceof SkeinError && error.code === 'disk-full') apply()
      throw error
    }
  }

  async #append(to: number, sizes: number[], wanted: string[], counts: boolean): Promise<void> {
    const id = this.#idOf(to)
    if (id === undefined) return
    const messages: (NewMessage & { emailId: string })[] = []
    for (const size of sizes) {
      const emailId = `e${this.random.integer(2 ** 31)}`
      const blob = await this.log.append([Buffer.alloc(size, 97)])
      messages.push({ blob, flags: wanted, internalDateMs: 1, emailId })
    }
    const mailbox = this.model.get(id) as ModelMailbox
    await this.#outcome(this.account.append(id, messages), counts, () => {
      for (const { blob, emailId } of messages) {
        mailbox.messages.push({
          uid: mailbox.uidNext++,
          flags: new Set(wanted),
          emailId,
          size: blob.length,
          seenByReader: false,
        })
      }
    })
  }

  async #store(it: Extract<Step, { do: 'store' }>, counts: boolean): Promise<void> {
    const id = this.#idOf(it.in)
    if (id === undefined) return
    const chosen = this.#picked(this.model.get(id) as ModelMailbox, it.pick)
    const call = this.account.store(
      id,
      chosen.map((one) => one.uid),
      { mode: it.mode, flags: it.flags },
    )
    await this.#outcome(call, counts, () => {
      for (const message of chosen) {
        if (it.mode === 'replace') message.flags = new Set(it.flags)
        for (const flag of it.flags) {
          if (it.mode === 'add') message.flags.add(flag)
          else if (it.mode === 'remove') message.flags.delete(flag)
        }
      }
    })
  }

  async #copy(it: Extract<Step, { do: 'copy' | 'move' }>, counts: boolean): Promise<void> {
    const from = this.#idOf(it.from)
    const to = this.#idOf(it.to)
    if (from === undefined || to === undefined) return
    const source = this.model.get(from) as ModelMailbox
    const target = this.model.get(to) as ModelMailbox
    const chosen = this.#picked(source, it.pick)
    const uids = chosen.map((one) => one.uid)
    const first = target.uidNext
    const call = it.do === 'copy' ? this.account.copy(from, uids, to) : this.account.move(from, uids, to)
    const result = await this.#outcome(call, counts, () => {
      for (const one of chosen) {
        const seenByReader = one.seenByReader && target.shared
        target.messages.push({ ...one, uid: target.uidNext++, flags: new Set(one.flags), seenByReader })
      }
      if (it.do === 'move') source.messages = source.messages.filter((one) => !chosen.includes(one))
    })
    assert.deepEqual(
      result?.pairs,
      uids.map((uid, at) => ({ from: uid, to: first + at })),
    )
  }

  async #expunge(it: Extract<Step, { do: 'expunge' }>, counts: boolean): Promise<void> {
    const id = this.#idOf(it.in)
    if (id === undefined) return
    const mailbox = this.model.get(id) as ModelMailbox
    const chosen = this.#picked(mailbox, it.pick)
    const uids = chosen.map((one) => one.uid)
    const gone = await this.#outcome(this.account.expunge(id, uids), counts, () => {
      mailbox.messages = mailbox.messages.filter((one) => !chosen.includes(one))
    })
    assert.deepEqual(gone, uids)
  }

  async #seen(it: Extract<Step, { do: 'seen' }>, counts: boolean): Promise<void> {
    const id = this.#idOf(it.in)
    if (id === undefined || !(this.model.get(id) as ModelMailbox).shared) return
    const chosen = this.#picked(this.model.get(id) as ModelMailbox, it.pick)
    const uids = chosen.map((one) => one.uid)
    const call = this.visitor.store(id, uids, { mode: it.seen ? 'add' : 'remove', flags: ['\\Seen', '\\Deleted'] })
    await this.#outcome(call, counts, () => {
      for (const one of chosen) one.seenByReader = it.seen
    })
  }

  async #replace(it: Extract<Step, { do: 'replace' }>, counts: boolean): Promise<void> {
    const from = this.#idOf(it.from)
    const to = this.#idOf(it.to)
    if (from === undefined || to === undefined) return
    const source = this.model.get(from) as ModelMailbox
    const target = this.model.get(to) as ModelMailbox
    const old = this.#picked(source, it.pick)[0]
    const blob = await this.log.append([Buffer.alloc(20, 98)])
    const message = { blob, flags: ['\\Flagged'], internalDateMs: 1, emailId: `r${this.random.integer(2 ** 31)}` }
    const call = this.account.replace(from, old?.uid ?? 2 ** 31, message, { to })
    const uid = target.uidNext
    const appended = await this.#outcome(call, counts, () => {
      if (old === undefined) return
      source.messages = source.messages.filter((one) => one !== old)
      const { emailId } = message
      const fresh = { uid: target.uidNext++, flags: new Set(message.flags), emailId, size: 20, seenByReader: false }
      target.messages.push(fresh)
    })
    assert.equal(appended?.uid, uid)
  }

  /** Changes of the same messages that are under way at the same time, each built on the one before. */
  async #together(it: Extract<Step, { do: 'together' }>, counts: boolean): Promise<void> {
    const id = this.#idOf(it.in)
    if (id === undefined) return
    await this.account.messages(id)
    const mailbox = this.model.get(id) as ModelMailbox
    const gone = this.#picked(mailbox, it.expunged)
    const calls: Promise<unknown>[] = []
    const changes: (() => void)[] = []
    it.picks.forEach((bits, at) => {
      const chosen = this.#picked(mailbox, bits)
      const flag = it.flags[at] as string
      const uids = chosen.map((one) => one.uid)
      if (at === 1) {
        calls.push(
          this.account.expunge(
            id,
            gone.map((one) => one.uid),
          ),
        )
        changes.push(() => {
          mailbox.messages = mailbox.messages.filter((one) => !gone.includes(one))
        })
      }
      calls.push(this.account.store(id, uids, { mode: at === 3 ? 'remove' : 'add', flags: [flag] }))
      changes.push(() => {
        for (const one of chosen) {
          if (at === 3) one.flags.delete(flag)
          else one.flags.add(flag)
        }
      })
    })
    const outcomes = await Promise.allSettled(calls)
    const failed = outcomes.find((one) => one.status === 'rejected')
    if (!failed || counts) for (const change of changes) change()
    if (!failed) return
    // One that found nothing to do was planned anew after the failure, behind the others: the order is the account's.
    for (const { uid, flags: settled } of counts ? await this.account.messages(id) : []) {
      const one = mailbox.messages.find((it) => it.uid === uid)
      if (one) one.flags = new Set(settled)
    }
    throw failed.reason
  }

  /** What the account has and the model has not was just made: the journal check holds it to the truth. */
  #adopt(): void {
    const atFirst = this.model.size === 0
    for (const { id, name, uidValidity, acl } of this.account.list()) {
      const known = this.model.get(id)
      const shared = acl !== undefined
      const fresh = known ?? { name, uidValidity, uidNext: 1, messages: [], shared, subscribed: atFirst }
      this.model.set(id, fresh)
      fresh.name = name
      if (this.#subscribedNames.delete(name)) fresh.subscribed = true
    }
  }

  async #subscribe(name: string, subscribed: boolean, counts: boolean): Promise<void> {
    await this.#outcome(this.account.subscribe(name, subscribed), counts, () => {
      const known = this.#named(name)
      if (known) known.subscribed = subscribed
      else if (subscribed) this.#subscribedNames.add(name)
      else this.#subscribedNames.delete(name)
    })
  }

  async #create(name: string, counts: boolean): Promise<void> {
    const existed = this.#named(name)
    await this.#outcome(this.account.create(name), counts, () => this.#adopt())
    assert.equal(existed, undefined)
  }

  async #delete(name: string, counts: boolean): Promise<void> {
    const known = this.account.byName(name)
    await this.#outcome(this.account.delete(name), counts, () => {
      if (known && this.model.get(known.id)?.subscribed) this.#subscribedNames.add(name)
      if (known) this.model.delete(known.id)
    })
    assert.ok(name !== 'INBOX' && known && ![...this.model.values()].some((it) => it.name.startsWith(`${name}/`)))
  }

  async #rename(from: string, to: string, counts: boolean): Promise<void> {
    const inbox = this.account.byName('INBOX')?.id as string
    await this.#outcome(this.account.rename(from, to), counts, () => {
      this.#adopt()
      if (from !== 'INBOX') return
      const source = this.model.get(inbox) as ModelMailbox
      const target = this.#named(to) as ModelMailbox
      for (const one of source.messages) {
        const seenByReader = one.seenByReader && target.shared
        target.messages.push({ ...one, uid: target.uidNext++, seenByReader })
      }
      source.messages = []
    })
  }

  async check(): Promise<void> {
    const loaded = await this.store.loadState(accountId)
    assert.deepEqual(loaded?.state, this.account.state())
    assert.deepEqual(sortedById(loaded?.mailboxes ?? []), sortedById(this.account.list()))
    assert.deepEqual(
      sortedById(this.account.list()).map((it) => it.id),
      [...this.model.keys()].sort(),
    )
    let used = 0
    for (const record of this.account.list()) {
      const messages = await this.store.loadMessages(accountId, record.id)
      assert.deepEqual(await this.account.messages(record.id), messages, 'memory is as the disk')
      this.#checkMailbox(record, messages)
      await this.#checkShared(record)
      used += record.bytes
    }
    assert.equal(this.account.state().usedBytes, used)
    assert.deepEqual(this.account.state().subscribedNames ?? [], [...this.#subscribedNames].sort())
    for (const name of names) assert.equal(this.account.byName(name)?.name, this.#named(name)?.name)
    for (const entry of this.#heard) {
      assert.ok(entry.modseq > this.#modseq, 'MODSEQ rises with each change')
      this.#modseq = entry.modseq
    }
    this.#heard = []
    await this.#checkJournal()
  }

  /** What somebody else sees, and which UIDs are remembered to be gone. */
  async #checkShared({ id, uidNext }: MailboxRecord): Promise<void> {
    const expected = this.model.get(id) as ModelMailbox
    const there = new Set(expected.messages.map((one) => one.uid))
    const gone: number[] = []
    for (let uid = 1; uid < uidNext; uid++) if (!there.has(uid)) gone.push(uid)
    assert.deepEqual(await this.account.vanished(id, 0), gone)
    const record = this.visitor.byId(id)
    assert.equal(record !== undefined, expected.shared)
    if (record === undefined) return
    const messages = await this.visitor.messages(id)
    assert.deepEqual(
      messages.map((it) => [it.uid, [...it.flags].sort()]),
      expected.messages.map((it) => {
        const others = [...it.flags].filter((flag) => flag !== '\\Seen')
        return [it.uid, (it.seenByReader ? ['\\Seen', ...others] : others).sort()]
      }),
    )
    assert.equal(record.unseen, expected.messages.filter((it) => !it.seenByReader).length)
    assert.ok(messages.every((it) => it.modseq <= record.highestModseq))
  }

  #checkMailbox(record: MailboxRecord, messages: readonly MessageRecord[]): void {
    const expected = this.model.get(record.id) as ModelMailbox
    assert.equal(record.name, expected.name)
    assert.equal(record.subscribed, expected.subscribed)
    assert.equal(record.uidValidity, expected.uidValidity)
    assert.deepEqual(
      messages.map((it) => [it.uid, it.emailId, it.size, [...it.flags].sort()]),
      expected.messages.map((it) => [it.uid, it.emailId, it.size, [...it.flags].sort()]),
    )
    assert.equal(record.messages, messages.length)
    assert.equal(record.unseen, messages.filter((it) => !it.flags.includes('\\Seen')).length)
    assert.equal(
      record.bytes,
      messages.reduce((sum, it) => sum + it.size, 0),
    )
    assert.ok(messages.every((it, at) => at === 0 || it.uid > (messages[at - 1] as MessageRecord).uid))
    assert.ok(messages.every((it) => it.modseq <= record.highestModseq && it.uid < record.uidNext))
    const highest = this.#highest.get(record.uidValidity) ?? 0
    assert.ok(record.uidNext > highest, 'no UID is given twice')
    this.#highest.set(record.uidValidity, record.uidNext - 1)
  }

  /** A replica that knows nothing but the journal comes to the same. */
  async #checkJournal(): Promise<void> {
    const replica = new Map<string, Map<number, MessageRecord>>()
    const subscribedNames = new Set<string>()
    let seq = 0
    for await (const entry of this.store.journal(accountId, 0)) {
      assert.equal(entry.seq, ++seq)
      for (const op of entry.ops) {
        if (op.op === 'mailbox') {
          assert.equal(
            op.mailbox.messages,
            replica.get(op.mailbox.id)?.size ?? 0,
            'as it is at this place of the entry',
          )
          replica.set(op.mailbox.id, replica.get(op.mailbox.id) ?? new Map())
        }
        if (op.op === 'subscription') {
          if (op.subscribed) subscribedNames.add(op.name)
          else assert.ok(subscribedNames.delete(op.name))
        } else if (op.op === 'mailbox-delete') replica.delete(op.mailbox)
        else if (op.op === 'add') replica.get(op.mailbox)?.set(op.message.uid, op.message)
        else if (op.op === 'expunge') assert.ok(replica.get(op.mailbox)?.delete(op.uid))
        else if (op.op === 'flags') {
          const message = replica.get(op.mailbox)?.get(op.uid)
          assert.ok(message)
          replica.get(op.mailbox)?.set(op.uid, { ...message, flags: op.flags, modseq: entry.modseq })
        }
      }
    }
    assert.deepEqual([...subscribedNames].sort(), [...this.#subscribedNames].sort())
    for (const { id } of this.account.list()) {
      assert.deepEqual([...(replica.get(id)?.values() ?? [])], await this.account.messages(id))
    }
    assert.deepEqual(
      [...replica.keys()].sort(),
      this.account
        .list()
        .map((it) => it.id)
        .sort(),
    )
  }
}

function sortedById(records: readonly MailboxRecord[]): MailboxRecord[] {
  return [...records].sort((a, b) => (a.id < b.id ? -1 : 1))
}

test('an account is its model, whatever is done to it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), async (steps) => {
      const trial = new Trial()
      await trial.open()
      for (const it of steps) {
        await trial.run(it)
        await trial.check()
      }
    }),
    { numRuns: 80 },
  )
})

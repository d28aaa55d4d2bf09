// How mail moves through one node: intake, queue, couriers and what comes in from other nodes, wired together.
import type { Directory } from '@skein/accounts'
import { formatReceived, formatReturnPath, srsUndo } from '@skein/mail'
import type { BlobRef, Mailboxes, MessageLog } from '@skein/mailboxes'
import { createUlidFactory, SkeinError, type Clock, type Logger, type PeerLink, type Random } from '@skein/runtime'
import { composeNotice, newRecipient } from './bounce.ts'
import { DestinationPaces } from './destination-pace.ts'
import { createForwardingCourier, type SrsSecrets } from './forwarding-courier.ts'
import { FullMailboxes } from './full-mailboxes.ts'
import { DeliveryIntake } from './intake.ts'
import { LetterKeeper } from './letter-keeper.ts'
import { createQueueControl } from './queue-control.ts'
import { OtherWays } from './other-ways.ts'
import { createLocalCourier } from './local-courier.ts'
import { PeerCourier } from './peer-courier.ts'
import { PeerReceiver } from './peer-receiver.ts'
import { Placement } from './placement.ts'
import { deliveryLimits, type DeliveryLimits } from './limits.ts'
import type {
  Courier,
  DeadAddressStore,
  Entrances,
  Intake,
  LetterExaminer,
  QueueControl,
  QueueId,
  QueueItem,
  QueueRecipient,
  QueueStore,
  TraceEvent,
  TraceStore,
} from './ports.ts'
import { expandAddress, looksRewritten, type RouteSettings } from './route.ts'
import type { ReportKind } from './queue.ts'
import { Scheduler, type LineStats } from './scheduler.ts'
import { SendingAllowance, type SpentElsewhere } from './sending-allowance.ts'
import { Suppression } from './suppression.ts'
import { Tracer, type TraceStep } from './trace.ts'

export interface DeliveryComponents {
  queue: QueueStore
  trace: TraceStore
  deadAddresses: DeadAddressStore
  log: MessageLog
  directory: Directory
  mailboxes: Mailboxes
  link: PeerLink
  /** kind 'outside'. */
  outside: Courier
  /** Absent: letters are taken as they come, and nothing is signed. */
  examiner?: LetterExaminer
  /** Asked for letters of users who live at a third node. */
  entrances?: Entrances
  /** What users send at other nodes counts too. Absent: each node for itself. */
  spentElsewhere?: SpentElsewhere
  /** Told of each letter from a front door once it is this node's for good. Must neither wait nor throw. */
  accepted?: (item: QueueItem) => void
  clock: Clock
  random: Random
  logger: Logger
}

/** Limits that are not given keep their default (`deliveryLimits`). */
export interface DeliverySettings extends Partial<DeliveryLimits> {
  /** As SMTP and Received show this node. */
  hostName: string
  /** Canonical addresses, best first: who gets postmaster's mail where no account or alias has that name. */
  administrators?: () => readonly string[]
  /** For the senders of letters that are sent on. Absent: whoever sends them on is their sender. */
  srsSecrets?: () => SrsSecrets
  /** Letters in a minute to one outside domain, or to each that is not named (`*`). Absent: as many as it takes. */
  outsidePerMinute?: Readonly<Record<string, number>>
}

export interface DeliveryStats {
  /** In the queue now. */
  letters: number
  /** Of these letters, not final. */
  recipients: number
  held: number
  bytes: number
  /** Since start: straight into mailboxes, without the queue. */
  direct: number
  uploads: number
  destinations: LineStats[]
}

/** A letter that this node itself writes: a notice to a user, for example. */
export interface OwnLetter {
  from: string
  to: readonly string[]
  /** Complete, with header. */
  bytes: Uint8Array
  messageId: string
  smtpUtf8?: boolean
}

export interface Delivery {
  readonly intake: Intake
  readonly control: QueueControl
  /** Addresses outside that letters come back from. */
  readonly deadAddresses: Pick<Suppression, 'list' | 'remove'>
  /** Reads the queue from the store and goes on where the last run ended; then answers peers and takes letters. */
  start(): Promise<void>
  /** Takes nothing more, lets running deliveries end (called off after `stopGraceMs`), leaves the rest in the store. */
  stop(): Promise<void>
  stats(): DeliveryStats
  /** This node's part of a letter's story. `key`: a Message-ID (with or without brackets) or a queue id. */
  traces(key: string): Promise<TraceEvent[]>
  /** Bytes that letters of the queue refer to: compaction of the log leaves them alone. */
  heldBlobs(): BlobRef[]
  /** Durable in the queue when it resolves. */
  post(letter: OwnLetter): Promise<{ queueId: QueueId }>
}

const noticeNames: Record<ReportKind, string> = {
  failure: 'failure',
  delay: 'delay',
  late: 'delay',
  success: 'success',
  expansion: 'expansion',
}

export function createDelivery(components: DeliveryComponents, settings: DeliverySettings): Delivery {
  const { queue, log, directory, mailboxes, link, outside, examiner, accepted, entrances } = components
  const { clock, random, logger } = components
  const { hostName, administrators, srsSecrets = () => ({ known: [] }), outsidePerMinute = {}, ...given } = settings
  const limits: DeliveryLimits = { ...deliveryLimits, ...given }
  const routes: RouteSettings = {
    ...(administrators && { administrators }),
    undoSrs: (address) => (looksRewritten(address) ? srsUndo(address, srsSecrets().known, clock.nowMs()) : undefined),
  }
  const newId = createUlidFactory(clock, random)
  const tracer = new Tracer(components.trace, clock, directory, routes)
  const full = new FullMailboxes(clock, limits)
  const suppression = new Suppression({ store: components.deadAddresses, clock, logger }, limits)
  const placement = new Placement({ log, mailboxes, full, limits, clock, logger })

  const keeper: LetterKeeper = new LetterKeeper(
    {
      queue,
      log,
      tracer,
      clock,
      logger,
      report,
      answerOrigin: (item) => ways.errands.answerOrigin(item),
      changed: (id) => scheduler.wake(id),
      closed: (item) => {
        if (item.errand) ways.errands.forget(item.errand)
      },
    },
    limits,
  )
  const ways: OtherWays = new OtherWays(
    {
      keeper,
      link,
      log,
      directory,
      ...(entrances && { entrances }),
      clock,
      random,
      logger,
      newId,
      enqueue,
      hurry: (id) => scheduler.hurry(id),
      betterWay: (domain) => scheduler.betterWay(domain),
    },
    { hostName, limits, routes },
  )
  const scheduler: Scheduler = new Scheduler(
    {
      keeper,
      couriers: {
        local: createLocalCourier({ placement, directory, clock }, routes),
        peer: new PeerCourier({ link, log, directory, clock, logger }, limits, routes),
        outside: createForwardingCourier({ outside: suppression.watching(outside), directory, clock, srsSecrets }),
      },
      paces: new DestinationPaces(clock, limits, outsidePerMinute),
      ways,
      directory,
      link,
      clock,
      random,
      logger,
    },
    limits,
    routes,
  )
  const intake = new DeliveryIntake(
    {
      log,
      directory,
      placement,
      full,
      suppression,
      allowance: new SendingAllowance(clock, limits, components.spentElsewhere),
      tracer,
      clock,
      random,
      logger,
      ...(examiner && { examiner }),
      ...(accepted && { accepted }),
      memory: { bytes: 0 },
      newId,
      queued: () => keeper.size,
      enqueue,
    },
    { hostName, limits, routes },
  )
  const receiver = new PeerReceiver(
    { link, log, directory, placement, tracer, clock, random, logger },
    { hostName, limits },
  )

  async function enqueue(item: QueueItem, steps: readonly TraceStep[]): Promise<void> {
    await queue.put(item)
    tracer.record(item, steps)
    keeper.admit(item)
  }

  async function report(
    item: QueueItem,
    recipients: readonly QueueRecipient[],
    kind: ReportKind,
    notice: number,
  ): Promise<void> {
    const bounceSettings = {
      hostName,
      queueLifetimeMs: limits.queueLifetimeMs,
      nodeName: (id: string) => directory.node(id)?.name ?? id,
    }
    const to = expandAddress(directory, item.from, routes).targets
    const parts = { log, directory, clock, ...(examiner && { examiner }) }
    const letter = await composeNotice(parts, item, to, recipients, kind, notice, bounceSettings)
    // Written before a crash that kept this letter's record from saying so: it is on its way already.
    if (keeper.get(letter.id)) return log.release(letter.blob)
    await enqueue(letter, [{ what: 'accepted', recipient: '', detail: `a notice about ${item.id}` }])
    const recipient = recipients.map((it) => it.address).join(', ')
    const detail = `notice of ${noticeNames[kind]} ${letter.id} to ${item.from}`
    tracer.record(item, [{ what: kind === 'failure' || kind === 'delay' ? 'bounced' : 'reported', recipient, detail }])
  }

  async function post(letter: OwnLetter): Promise<{ queueId: QueueId }> {
    const id = newId()
    const nowMs = clock.nowMs()
    const targets = new Set(letter.to.flatMap((address) => expandAddress(directory, address, routes).targets))
    if (targets.size === 0) throw new SkeinError('no-such-user', 'refused', 'nobody would get that letter')
    const returnPath = Buffer.from(formatReturnPath(letter.from))
    const received = formatReceived({ by: hostName, protocol: 'SKEIN', id, dateMs: nowMs })
    const signature = (await examiner?.signOwn(letter.bytes)) ?? ''
    const blob = await log.append([returnPath, Buffer.from(signature + received), letter.bytes])
    const item: QueueItem = {
      id,
      from: letter.from,
      recipients: Array.from(targets, (address, index) => newRecipient(index, address, address, nowMs, directory)),
      blob,
      returnPathBytes: returnPath.length,
      size: blob.length,
      messageId: letter.messageId,
      receivedMs: nowMs,
      source: { kind: 'local', remoteAddress: '', node: directory.self, accountId: null },
      smtpUtf8: letter.smtpUtf8 ?? false,
      eightBit: true,
    }
    await enqueue(item, [{ what: 'accepted', recipient: '', detail: `${item.size} bytes written by this node` }])
    return { queueId: id }
  }

  const control = createQueueControl({ keeper, scheduler, ways, clock })

  return {
    intake,
    control,
    deadAddresses: suppression,
    async start() {
      await suppression.load()
      for await (const item of queue.list()) keeper.admit(item)
      logger.info({ letters: keeper.size }, 'the queue was read')
      receiver.start()
      ways.start()
      scheduler.start()
      intake.start()
    },
    async stop() {
      await intake.stop()
      await receiver.stop()
      await ways.stop()
      await scheduler.stop(limits.stopGraceMs)
      await keeper.stop()
    },
    stats() {
      const items = keeper.letters().map((letter) => letter.item)
      const open = items.flatMap((item) =>
        item.recipients.filter((it) => it.state === 'pending' || it.state === 'held'),
      )
      return {
        letters: items.length,
        recipients: open.length,
        held: open.filter((it) => it.state === 'held').length,
        bytes: items.reduce((sum, item) => sum + item.size, 0),
        direct: intake.direct,
        uploads: receiver.uploads,
        destinations: scheduler.lines(),
      }
    },
    traces: (key) => tracer.find(key),
    heldBlobs: () => keeper.letters().map((letter) => letter.item.blob),
    post,
  }
}

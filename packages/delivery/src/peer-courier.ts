// Carries letters to the node that is their recipients' home. Acknowledged after that node's fsync, repeated until then:
// the home knows a delivery by its id, so repeating is harmless.
import { createHash } from 'node:crypto'
import type { Directory } from '@skein/accounts'
import type { MessageLog } from '@skein/mailboxes'
import {
  isErrorCode,
  peerLimits,
  SkeinError,
  type Clock,
  type Logger,
  type NodeId,
  type PeerLink,
} from '@skein/runtime'
import { answers, answerToError, type Answer } from './answers.ts'
import {
  decodeMailReply,
  encodeMail,
  mailProtocolVersion,
  type MailReply,
  type MailRequest,
  type Offer,
  type PeerResult,
} from './peer-wire.ts'
import type { DeliveryLimits } from './limits.ts'
import type { Consignment, Courier, DeliveryResult, Destination, QueueItem } from './ports.ts'
import { routeRecipient, type RouteSettings } from './route.ts'

export interface PeerCourierComponents {
  link: PeerLink
  log: MessageLog
  directory: Directory
  clock: Clock
  logger: Logger
}

export class PeerCourier implements Courier {
  readonly kind = 'peer'
  readonly #parts: PeerCourierComponents
  readonly #limits: DeliveryLimits
  readonly #routes: RouteSettings

  constructor(components: PeerCourierComponents, limits: DeliveryLimits, routes: RouteSettings = {}) {
    this.#parts = components
    this.#limits = limits
    this.#routes = routes
  }

  async deliver(consignment: Consignment, destination: Destination, signal: AbortSignal): Promise<DeliveryResult[]> {
    const { logger } = this.#parts
    if (destination.kind !== 'peer') throw new Error(`not a way to a ${destination.kind} destination`)
    const node = destination.node
    let reply: Map<number, Answer>
    try {
      reply = await this.#carry(node, consignment, signal)
    } catch (error) {
      const answer = answerToError(error)
      if (!answer) logger.error({ err: error, node, queueId: consignment.item.id }, 'a letter could not be handed over')
      const all = this.#answerForAll(error, answer)
      reply = new Map(consignment.recipients.map(({ index }) => [index, all]))
    }
    return consignment.recipients.map(({ index }) => this.#result(node, reply.get(index) ?? answers.internal))
  }

  // What the other node's handler refuses as a whole is a misunderstanding between versions, not the letter's fault.
  #answerForAll(error: unknown, answer: Answer | undefined): Answer {
    if (!answer || isErrorCode(error, 'malformed-mail-reply')) return answers.internal
    if (answer.kind !== 'permanent' || isErrorCode(error, 'message-damaged')) return answer
    return { kind: 'temporary', code: 451, status: '4.5.0', text: answer.text }
  }

  #result(node: NodeId, answer: Answer): DeliveryResult {
    return { ...answer, atMs: this.#parts.clock.nowMs(), courier: 'peer', hop: node }
  }

  async #carry(node: NodeId, { item, recipients }: Consignment, signal: AbortSignal): Promise<Map<number, Answer>> {
    const skip = item.returnPathBytes ?? 0
    const answered = new Map<number, Answer>()
    const offered: Offer['recipients'] = []
    for (const recipient of recipients) {
      const { index, address, options, into } = recipient
      const route = routeRecipient(this.#parts.directory, recipient, this.#routes)
      if (route.kind === 'peer' && route.node === node) {
        offered.push({ index, address, accountId: route.accountId, ...(options && { options }), ...(into && { into }) })
      } else answered.set(index, answers.notHere)
    }
    if (offered.length === 0) return answered
    const small = item.blob.length - skip <= this.#limits.peerInlineBytesMax
    const size = item.blob.length - skip
    const offer: Offer = {
      t: 'offer',
      v: mailProtocolVersion,
      id: item.id,
      from: item.from,
      recipients: offered,
      size,
      messageId: item.messageId,
      smtpUtf8: item.smtpUtf8,
      eightBit: item.eightBit,
      receivedMs: item.receivedMs,
      ...(item.junk && { junk: true }),
      ...(item.options && { options: item.options }),
      body: small ? await this.#parts.log.read(item.blob, skip) : null,
    }
    let reply = await this.#ask(node, offer, signal)
    if (reply.t === 'take') reply = await this.#upload(node, reply.upload, item, skip, signal)
    if (reply.t === 'results') {
      for (const result of reply.results) answered.set(result.index, answerOf(result))
      return answered
    }
    // Every other answer asks for another try: too many letters at once, or the other node has forgotten the upload.
    for (const { index } of offered) answered.set(index, answers.busy)
    return answered
  }

  async #upload(node: NodeId, upload: string, item: QueueItem, skip: number, signal: AbortSignal): Promise<MailReply> {
    const hash = createHash('sha256')
    const inFlight = new Set<Promise<void>>()
    // Settled by a chunk that ends the upload before its time: results for a letter that came in otherwise, busy, unknown.
    const outcome: { reply?: MailReply; error?: unknown } = {}
    let offset = 0
    for await (const chunk of this.#parts.log.stream(item.blob, skip)) {
      for (let at = 0; at < chunk.length; at += peerLimits.peerChunkBytes) {
        const bytes = chunk.subarray(at, at + peerLimits.peerChunkBytes)
        hash.update(bytes)
        const last = skip + offset + bytes.length === item.blob.length
        const sha256 = last ? new Uint8Array(hash.digest()) : null
        while (inFlight.size >= this.#limits.peerChunksInFlight) await Promise.race(inFlight)
        if (outcome.error !== undefined) throw outcome.error
        if (outcome.reply) return outcome.reply
        const sent = this.#ask(node, { t: 'data', upload, offset, bytes, sha256 }, signal)
          .then(
            (reply) => {
              if (reply.t !== 'more') outcome.reply ??= reply
            },
            (error: unknown) => {
              outcome.error ??= error
            },
          )
          .finally(() => inFlight.delete(sent))
        inFlight.add(sent)
        offset += bytes.length
      }
    }
    await Promise.all(inFlight)
    if (outcome.reply) return outcome.reply
    throw outcome.error ?? new SkeinError('malformed-mail-reply', 'refused', 'the upload ended without results')
  }

  async #ask(node: NodeId, message: MailRequest, signal: AbortSignal): Promise<MailReply> {
    if (signal.aborted) throw new SkeinError('peer-unreachable', 'temporary', 'this node is stopping')
    const answer = this.#parts.link.request(node, 'mail', encodeMail(message))
    return decodeMailReply(await untilAborted(answer, signal))
  }
}

/** The other node may have carried out what is no longer waited for; the next attempt finds that out. */
function untilAborted<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(new SkeinError('peer-unreachable', 'temporary', 'this node is stopping'))
    signal.addEventListener('abort', onAbort, { once: true })
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

function answerOf(result: PeerResult): Answer {
  const { code, status, text } = result
  switch (result.verdict) {
    case 'stored':
    case 'have':
      return { kind: 'delivered', code, status, text }
    case 'not-owner':
      return { ...answers.notHere, text: result.home ? `that node says the mailbox is at ${result.home}` : text }
    case 'permanent':
      return { kind: 'permanent', code, status, text }
    default:
      return { kind: 'temporary', code, status, text }
  }
}

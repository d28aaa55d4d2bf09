// Mail servers that are not of the mesh: one that takes everything, one that refuses everything, one that has to be asked twice,
// and some that do not like the addresses of some nodes.
import type { Consignment, Courier, DeliveryResult, Destination } from '@skein/delivery'
import type { MessageLog } from '@skein/mailboxes'
import { sleep, type Clock } from '@skein/runtime'
import type { SeededRandom } from '@skein/testkit'
import { letterNumber, type Model } from './model.ts'

type Verdict = Pick<DeliveryResult, 'kind' | 'code' | 'status' | 'text'>

const taken: Verdict = { kind: 'delivered', code: 250, status: '2.0.0', text: 'taken' }
const refused: Verdict = { kind: 'permanent', code: 550, status: '5.1.1', text: 'no such user' }
const later: Verdict = { kind: 'temporary', code: 451, status: '4.7.1', text: 'greylisted' }
const blocked: Verdict = {
  kind: 'permanent',
  code: 554,
  status: '5.7.1',
  text: 'RCPT TO: 554 Client host blocked using zen.spamhaus.org',
}
const silent: Verdict = { kind: 'temporary', code: 450, status: '4.4.1', text: 'no answer' }

export class OutsideWorld {
  readonly #clock: Clock
  readonly #random: SeededRandom
  readonly #model: Model
  readonly #notices = new Set<string>()
  #calm = false

  constructor(clock: Clock, random: SeededRandom, model: Model) {
    this.#clock = clock
    this.#random = random
    this.#model = model
  }

  /** From now on everybody answers at the first time of asking. */
  calm(): void {
    this.#calm = true
  }

  /** @param isOver the node has crashed: its connections are gone, and nobody takes anything from it. */
  courier(log: MessageLog, node: string, isOver: () => boolean): Courier {
    return {
      kind: 'outside',
      deliver: async ({ item, recipients }: Consignment, destination: Destination): Promise<DeliveryResult[]> => {
        const bytes = Buffer.from(await log.read(item.blob))
        await sleep(this.#clock, 1 + this.#random.next() * 50)
        const domain = destination.kind === 'outside' ? destination.domain : ''
        if (isOver()) return new Promise(() => {})
        const verdict = this.#verdict(domain, node)
        if (verdict === taken) {
          // Whether the letter's node lives to hear of it or not.
          if (item.from === '') this.#notice(item.id, bytes)
          else
            this.#model.takenOutside(
              letterNumber(bytes),
              recipients.map((it) => it.address),
              { node, atMs: this.#clock.monotonicMs() },
            )
        }
        await sleep(this.#clock, 1 + this.#random.next() * 5)
        return recipients.map(() => ({
          ...verdict,
          atMs: this.#clock.nowMs(),
          courier: 'outside',
          hop: `mx.${domain}`,
        }))
      },
    }
  }

  #notice(id: string, bytes: Buffer): void {
    if (this.#notices.has(id)) return
    this.#notices.add(id)
    this.#model.readNotice(bytes)
  }

  #verdict(domain: string, node: string): Verdict {
    if (domain === 'bad.example') return refused
    // Two nodes are on its block list.
    if (domain === 'picky.example') return node === 'n1' || node === 'n2' ? blocked : taken
    // Only one node is not.
    if (domain === 'walled.example') return node === 'n3' ? taken : blocked
    if (domain === 'fort.example') return blocked
    // One node has no line to it.
    if (domain === 'far.example') return node === 'n1' && !this.#calm ? silent : taken
    if (domain !== 'slow.example' || this.#calm) return taken
    const dice = this.#random.next()
    return dice < 0.3 ? silent : dice < 0.5 ? later : taken
  }
}

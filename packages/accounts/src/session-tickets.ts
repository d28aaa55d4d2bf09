// What the home gives a node whose client it has just recognised: with it that node may hand over one session of that account,
// once and soon. A node can only speak for itself: to another node, for another protocol or a second time it is worth nothing.
import type { Clock, NodeId, Random } from '@skein/runtime'
import { accountLimits } from './limits.ts'
import type { AccountId, CarriedProtocol } from './ports.ts'

interface Ticket {
  node: NodeId
  accountId: AccountId
  protocol: CarriedProtocol
  untilMs: number
}

export class SessionTickets {
  readonly #clock: Clock
  readonly #random: Random
  /** By the ticket in hex, oldest first. */
  readonly #issued = new Map<string, Ticket>()

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  get outstanding(): number {
    return this.#issued.size
  }

  issue(node: NodeId, accountId: AccountId, protocol: CarriedProtocol): Uint8Array {
    this.#forgetOld()
    const ticket = this.#random.bytes(ticketBytes)
    const untilMs = this.#clock.nowMs() + accountLimits.sessionTicketKeepMs
    this.#issued.set(nameOf(ticket), { node, accountId, protocol, untilMs })
    return ticket
  }

  /** Whose session may begin; undefined where the ticket is not good. It is used up by being shown, to whomever. */
  redeem(node: NodeId, protocol: CarriedProtocol, ticket: Uint8Array): AccountId | undefined {
    const name = nameOf(ticket)
    const issued = this.#issued.get(name)
    this.#issued.delete(name)
    if (!issued || issued.untilMs < this.#clock.nowMs()) return undefined
    return issued.node === node && issued.protocol === protocol ? issued.accountId : undefined
  }

  #forgetOld(): void {
    const nowMs = this.#clock.nowMs()
    for (const [name, { untilMs }] of this.#issued) {
      if (untilMs >= nowMs && this.#issued.size < accountLimits.sessionTicketsMax) return
      this.#issued.delete(name)
    }
  }
}

const ticketBytes = 32

function nameOf(ticket: Uint8Array): string {
  return Buffer.from(ticket).toString('hex')
}

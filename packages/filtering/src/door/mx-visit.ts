// A stranger's mail system at the door, from its connection to its end.
import { splitAddress } from '@skein/mail'
import { clientKey } from '@skein/runtime'
import { isPrivateAddress, networkOf, siteOf } from './client-network.ts'
import type { DoorParts } from './door-parts.ts'
import type { Standing } from './good-names.ts'
import { Lookups } from './lookups.ts'
import type { DoorAnswer, DoorVisit } from './ports.ts'
import { type Refusal, refusals } from './refusals.ts'

/** RFC 5321 §4.5.1: whom a stranger with a complaint must be able to reach, listed or not. */
const alwaysReachable = /^(?:postmaster|abuse)(?:@|$)/i

export class MxVisit implements DoorVisit {
  readonly #parts: DoorParts
  readonly #address: string
  readonly #client: string
  readonly #network: string
  readonly #isAllowed: boolean
  readonly #lookups: Lookups
  #isCounted = false
  /** As it was when the session began: what it does now counts for the next one. */
  #standingOnce: Standing | undefined
  #from = ''
  #judged = 0
  #refused = 0
  #leaveTarpit: (() => void) | undefined

  constructor(parts: DoorParts, address: string) {
    this.#parts = parts
    this.#address = address
    this.#client = clientKey(address)
    this.#network = networkOf(address)
    this.#isAllowed = parts.fixed().ofAddress(address, parts.clock.nowMs())?.list === 'allow'
    this.#lookups = new Lookups(parts)
  }

  get remoteName(): string {
    const { name } = this.#lookups
    return name.kind === 'confirmed' ? name.name : ''
  }

  greet(): Refusal | null {
    const refusal = this.#isAllowed ? null : this.#judgeAddress()
    if (!refusal) this.#lookups.askAddress(this.#address)
    return refusal
  }

  #judgeAddress(): Refusal | null {
    const { clock, fixed, bans, sessions, usage, rates, limits } = this.#parts
    const nowMs = clock.nowMs()
    const rule = fixed().ofAddress(this.#address, nowMs)
    if (rule) return this.#refuse(refusals.blockedAddress(rule.reason))
    const ban = bans.of(this.#address)
    if (ban) return this.#refuse(refusals.banned(ban.reason, ban.untilMs - nowMs))
    const standing = this.#standing
    const here = sessions.get(this.#client) ?? 0
    const sessionsMax = standing === 'bad' ? limits.sessionsPerBadNameMax : limits.sessionsPerAddressMax
    if (here >= sessionsMax) return this.#refuse(refusals.tooManySessions)
    if (!this.#isCounted) sessions.set(this.#client, here + 1)
    this.#isCounted = true
    const waitMs = usage.take(rates.connections, this.#client, this.#times())
    return waitMs > 0 ? this.#refuse(refusals.tooManyConnections(waitMs)) : null
  }

  hello(name: string): void {
    if (!this.#isAllowed) this.#lookups.askDomain(name.toLowerCase().replace(/\.$/, ''))
  }

  sender(from: string): DoorAnswer {
    this.#from = from
    if (!this.#isAllowed && from !== '') this.#lookups.askDomain(splitAddress(from).domain.toLowerCase())
    const known = this.#lookups.whenKnown()
    return known ? known.then(() => this.#judgeSender()) : this.#judgeSender()
  }

  #judgeSender(): Refusal | null {
    if (this.#isAllowed) return null
    const { usage, rates, fixed, clock } = this.#parts
    const rule = fixed().ofSender(this.#from, clock.nowMs())
    if (rule?.list === 'block') return this.#refuse(refusals.blockedSender(rule.reason))
    const waitMs = usage.take(rates.letters, this.#client, this.#times())
    return waitMs > 0 ? this.#refuse(refusals.tooManyLetters(waitMs)) : null
  }

  recipient(to: string): DoorAnswer {
    this.#judged += 1
    if (this.#isAllowed) return null
    const known = this.#lookups.whenKnown()
    return known ? known.then(() => this.#judgeRecipient(to)) : this.#judgeRecipient(to)
  }

  #judgeRecipient(to: string): Refusal | null {
    const { usage, rates, hash } = this.#parts
    const stranger = alwaysReachable.test(to) ? null : this.#judgeStranger(to)
    if (stranger) return this.#refuse(stranger)
    const waitMs = usage.take(rates.recipients, this.#client, this.#times())
    if (waitMs > 0) return this.#refuse(refusals.tooManyRecipients(waitMs))
    const floodedMs = usage.take(rates.recipientLetters, hash('recipient', to.toLowerCase()))
    return floodedMs > 0 ? this.#refuse(refusals.tooManyForRecipient(floodedMs)) : null
  }

  /** Lists, host name and greylist: what a good letter may have to do with and a complaint need not. */
  #judgeStranger(to: string): Refusal | null {
    const { fixed, clock, listedFrom, withoutName, names } = this.#parts
    if (fixed().ofSender(this.#from, clock.nowMs())?.list === 'allow') return null
    const { hits, weight, name } = this.#lookups
    if (weight >= listedFrom) {
      names.badDeed(this.#network)
      const worst = hits.toSorted((a, b) => b.weight - a.weight)[0]
      return refusals.listed(worst?.zone ?? '', worst?.reason ?? '')
    }
    if (name.kind === 'none' && withoutName === 'refuse') return refusals.noReverseName
    return this.#mustWait(weight) ? this.#greylist(to) : null
  }

  #mustWait(weight: number): boolean {
    const { greylistFor, names } = this.#parts
    // A list of friends has it.
    if (greylistFor === 'off' || weight < 0) return false
    const standing = this.#standing
    if (standing === 'good' || (standing === 'unknown' && names.comesBack(this.#network))) return false
    const isNameless = this.#lookups.name.kind === 'none' && !isPrivateAddress(this.#address)
    return greylistFor === 'all' || weight > 0 || isNameless || standing === 'bad'
  }

  #greylist(to: string): Refusal | null {
    const { greylist, names } = this.#parts
    const verdict = greylist.ask({ network: this.#network, from: this.#from, to })
    if (verdict.kind === 'wait') return refusals.greylisted(verdict.waitMs)
    if (verdict.kind === 'returned') names.cameBack(this.#network)
    return null
  }

  refusedRecipient(): DoorAnswer {
    this.#judged += 1
    this.#refused += 1
    if (this.#isAllowed) return null
    const { usage, rates, limits, names, bans, tarpit } = this.#parts
    const guesses = usage.add(rates.unknown, this.#client)
    const ofSite = usage.add(rates.unknownOfSite, siteOf(this.#address))
    names.badDeed(this.#network)
    if (guesses > rates.unknown.max) {
      bans.ban(this.#address, refusals.guessing.text)
      return this.#refuse(refusals.guessing)
    }
    // Its neighbours may be honest: nobody is banned for them.
    if (ofSite > rates.unknownOfSite.max) return this.#refuse(refusals.guessing)
    const isMostlyWrong = this.#refused > limits.refusedRecipientsShareMax * this.#judged
    if (this.#judged >= limits.recipientsJudgedMin && isMostlyWrong) return this.#refuse(refusals.guessing)
    // Counts fade a little from one guess to the next.
    const step = Math.round(guesses) - limits.unknownRecipientsFree
    if (step < 1) return null
    const stay = tarpit.enter(tarpit.delayMs(step))
    if (!stay) return this.#refuse(refusals.tarpitFull)
    this.#leaveTarpit = stay.leave
    return stay.over.then(() => null)
  }

  letter(outcome: 'taken' | 'junk' | 'refused'): void {
    if (this.#isAllowed) return
    if (outcome === 'taken') this.#parts.names.goodDeed(this.#network)
    else this.#parts.names.badDeed(this.#network)
  }

  leave(): void {
    this.#leaveTarpit?.()
    if (!this.#isCounted) return
    this.#isCounted = false
    const { sessions } = this.#parts
    const here = sessions.get(this.#client) ?? 0
    if (here <= 1) sessions.delete(this.#client)
    else sessions.set(this.#client, here - 1)
  }

  get #standing(): Standing {
    return (this.#standingOnce ??= this.#parts.names.standing(this.#network))
  }

  #times(): number {
    return this.#standing === 'good' ? this.#parts.limits.goodNameTimes : 1
  }

  #refuse(refusal: Refusal): Refusal {
    return this.#parts.refuse(refusal, this.#address)
  }
}

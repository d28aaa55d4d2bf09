// Nodes with a door each and one judgement, for this package's tests: a DNS that a test sets by hand, time that it lets pass.
import { type DnsRecords, type DnsResolver, type Logger, type NodeId, SkeinError, silentLogger } from '@skein/runtime'
import { JudgementFixture } from '../judgement/judgement-fixture.ts'
import { type DoorkeeperSettings, type OperatedDoorkeeper, createDoorkeeper } from './doorkeeper.ts'
import type { DoorAnswer, DoorVisit } from './ports.ts'
import type { Refusal } from './refusals.ts'
import type { DoorRule } from './static-lists.ts'
import { createSubjectHash } from './subject-hash.ts'

/** `a mx.example.org` -> values. 'fails': an error; 'silent': no answer ever. What is not there does not exist. */
export type DnsTable = Record<string, readonly string[] | 'fails' | 'silent'>

export class DoorFixture extends JudgementFixture {
  dns: DnsTable = {}
  /** Names that were asked for. */
  readonly asked: string[] = []
  readonly warnings: string[] = []
  rules: DoorRule[] = []
  readonly doors = new Map<NodeId, OperatedDoorkeeper>()
  readonly #listeners = new Set<() => void>()

  async open(id: NodeId, settings: DoorkeeperSettings = {}): Promise<OperatedDoorkeeper> {
    const judgement = await this.start(id)
    const logger: Logger = {
      ...silentLogger,
      warn: (fields, message) => void this.warnings.push(`${JSON.stringify(fields)} ${message}`),
    }
    const door = createDoorkeeper(
      {
        judgement,
        resolver: this.#resolver(),
        clock: this.clock,
        logger,
        hash: createSubjectHash('mesh'),
        rules: {
          all: () => this.rules,
          onChange: (listener) => {
            this.#listeners.add(listener)
            return () => void this.#listeners.delete(listener)
          },
        },
      },
      { isTrusted: (address) => address.startsWith('127.'), ...settings },
    )
    this.doors.set(id, door)
    return door
  }

  setRules(rules: DoorRule[]): void {
    this.rules = rules
    for (const listener of this.#listeners) listener()
  }

  /** The answer, however much virtual time it takes, and how much that was. */
  async answer(given: DoorAnswer): Promise<{ refusal: Refusal | null; tookMs: number }> {
    const before = this.clock.monotonicMs()
    const refusal = given instanceof Promise ? await this.clock.runUntil(given) : given
    return { refusal, tookMs: this.clock.monotonicMs() - before }
  }

  async said(given: DoorAnswer): Promise<string> {
    const { refusal } = await this.answer(given)
    return refusal ? `${refusal.code} ${refusal.status}` : 'ok'
  }

  enter(id: NodeId, remoteAddress: string): DoorVisit {
    const visit = this.doors.get(id)?.enter({ remoteAddress, role: 'mx' })
    if (!visit) throw new Error(`${remoteAddress} is trusted`)
    return visit
  }

  /** One letter from connection to end. @returns the first refusal, or ok */
  async letter(id: NodeId, remoteAddress: string, from: string, to: string, helo = 'client.example'): Promise<string> {
    const visit = this.enter(id, remoteAddress)
    try {
      const greeted = await this.said(visit.greet())
      if (greeted !== 'ok') return greeted
      visit.hello(helo)
      for (const step of [() => visit.sender(from, null), () => visit.recipient(to)]) {
        const said = await this.said(step())
        if (said !== 'ok') return said
      }
      visit.letter('taken')
      return 'ok'
    } finally {
      visit.leave()
    }
  }

  #resolver(): DnsResolver {
    const find = async (type: string, name: string): Promise<DnsRecords<string>> => {
      const key = `${type} ${name}`
      this.asked.push(key)
      const records = this.dns[key]
      if (records === 'silent') await new Promise(() => {})
      if (records === 'fails' || records === 'silent') throw new SkeinError('dns-failed', 'temporary', 'no answer')
      if (!records) throw new SkeinError('no-such-domain', 'permanent', `${name} does not exist`)
      return { records, authentic: false }
    }
    const nothing = async () => ({ records: [], authentic: false })
    return {
      a: (name) => find('a', name),
      aaaa: (name) => find('aaaa', name),
      txt: (name) => find('txt', name),
      ptr: (address) => find('ptr', address),
      mx: nothing,
      tlsa: nothing,
      cname: nothing,
    }
  }
}

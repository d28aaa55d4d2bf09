// DIR/dkim: the keys with which this node signs letters (RFC 6376, RFC 8463), made when there are none, and published in the
// node's own document for all who print or check DNS records. New keys are published first and used once the DNS shows them;
// old ones stay published until nobody can have a letter with their signature still on its way.
import { createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { DkimSelector } from '@skein/accounts'
import type { SigningKey } from '@skein/filtering'
import type { Ledger } from '@skein/replication'
import { type Clock, type DnsResolver, type Logger, SkeinError, type Timer } from '@skein/runtime'
import { writeFileDurably } from './data-directory.ts'

export const dkimLimits = {
  /** RFC 8301 §3.2: at the least 1024, and 2048 is what everybody takes and what fits a TXT record. */
  rsaKeyBits: 2048,
  /** How often the DNS is asked whether it shows new keys, for every domain. */
  askMs: 10 * 60_000,
  /** Old keys stay published for so long after the last letter that was signed with them: longer than letters wait in queues. */
  retiredMs: 8 * 24 * 3600 * 1000,
} as const

/** The keys that were made at one time: one of each algorithm. */
interface Generation {
  madeMs: number
  selectors: { rsa: string; ed25519: string }
  /** From when on another generation was used. */
  retiredMs?: number
}

export interface DkimKeyComponents {
  /** DIR/dkim */
  directory: string
  ledger: Pick<Ledger, 'directory' | 'self' | 'setSelf'>
  dns: Pick<DnsResolver, 'txt'>
  clock: Clock
  logger: Logger
}

export interface DkimKeyState {
  selector: string
  algorithm: SigningKey['algorithm']
  madeMs: number
  state: 'used' | 'new' | 'retired'
}

export class DkimKeys {
  readonly #parts: DkimKeyComponents
  /** Oldest first. */
  #generations: Generation[] = []
  readonly #keys = new Map<string, SigningKey>()
  #using: SigningKey[] = []
  #timer: Timer | null = null
  #closed = false
  #work: Promise<unknown> = Promise.resolve()

  constructor(components: DkimKeyComponents) {
    this.#parts = components
    this.#generations = this.#read()
    this.#choose()
  }

  /** Those with which letters are signed now. */
  signing(): readonly SigningKey[] {
    return this.#using
  }

  list(): DkimKeyState[] {
    const used = this.#used()
    return this.#generations.flatMap((generation) => {
      const state = generation === used ? 'used' : generation.retiredMs === undefined ? 'new' : 'retired'
      const { rsa, ed25519 } = generation.selectors
      return [
        { selector: rsa, algorithm: 'rsa-sha256' as const, madeMs: generation.madeMs, state },
        { selector: ed25519, algorithm: 'ed25519-sha256' as const, madeMs: generation.madeMs, state },
      ] satisfies DkimKeyState[]
    })
  }

  /** Makes the first keys where there are none, publishes what there is, and looks after it from then on. */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#generations.length === 0) await this.#make()
      await this.#publish()
      this.#watch()
    })
  }

  /**
   * New keys beside those in use. Letters are signed with them as soon as the DNS shows them for every domain of the mesh.
   * @throws SkeinError `dkim-rotation-open` while the last new ones wait for that
   */
  rotate(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#generations.at(-1) !== this.#used()) {
        throw new SkeinError('dkim-rotation-open', 'refused', 'the last new keys are not in the DNS yet: see skein dns')
      }
      await this.#make()
      await this.#publish()
      await this.#look()
    })
  }

  /** Asks the DNS for new keys, and lets go of old ones. */
  look(): Promise<void> {
    return this.#inTurn(() => this.#look())
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#work.catch(() => {})
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const work = this.#work.catch(() => {}).then(() => (this.#closed ? undefined : step()))
    this.#work = work
    return work
  }

  #watch(): void {
    this.#timer = this.#parts.clock.setTimer(dkimLimits.askMs, () => {
      this.look()
        .catch((error: unknown) =>
          this.#parts.logger.warn({ error: String(error) }, 'the DKIM keys could not be looked after'),
        )
        .finally(() => {
          if (!this.#closed) this.#watch()
        })
        .catch(() => {})
    })
  }

  async #look(): Promise<void> {
    const { clock, logger } = this.#parts
    const nowMs = clock.nowMs()
    const newest = this.#generations.at(-1)
    const used = this.#used()
    if (newest && used && newest !== used && (await this.#isPublished(newest))) {
      for (const it of this.#generations) if (it !== newest) it.retiredMs ??= nowMs
      this.#write()
      this.#choose()
      logger.info({ selectors: newest.selectors }, 'letters are signed with new DKIM keys')
    }
    const gone = this.#generations.filter(
      (it) => it.retiredMs !== undefined && nowMs - it.retiredMs > dkimLimits.retiredMs,
    )
    if (gone.length === 0) return
    this.#generations = this.#generations.filter((it) => !gone.includes(it))
    this.#write()
    await this.#publish()
    for (const { selectors } of gone) {
      for (const selector of Object.values(selectors)) {
        rmSync(this.#file(selector), { force: true })
        this.#keys.delete(selector)
      }
    }
  }

  async #isPublished(generation: Generation): Promise<boolean> {
    const { dns, ledger } = this.#parts
    const wanted = this.#selectorsOf(generation)
    for (const domain of ledger.directory.domains()) {
      for (const { selector, record } of wanted) {
        try {
          const { records } = await dns.txt(`${selector}._domainkey.${domain.name}`)
          if (!records.some((text) => keyIn(text) === keyIn(record))) return false
        } catch {
          return false
        }
      }
    }
    return true
  }

  /** The newest that is known to be in the DNS; of the first ones it is not asked: a signature without a record harms nothing. */
  #used(): Generation | undefined {
    return this.#generations.findLast((it, at) => at === 0 || this.#generations[at - 1]?.retiredMs !== undefined)
  }

  #choose(): void {
    const used = this.#used()
    this.#using = used ? Object.values(used.selectors).map((selector) => this.#keys.get(selector) as SigningKey) : []
  }

  async #make(): Promise<void> {
    const { directory, ledger, clock } = this.#parts
    if (!existsSync(directory)) mkdirSync(directory, { mode: 0o700 })
    const name = (ledger.directory.node(ledger.self)?.name ?? ledger.self).toLowerCase().replace(/[^a-z0-9-]/g, '-')
    const taken = new Set(ledger.directory.nodes().flatMap((node) => (node.dkim ?? []).map((it) => it.selector)))
    for (const { selectors } of this.#generations) for (const it of Object.values(selectors)) taken.add(it)
    const free = (kind: string) => {
      for (let serial = 1; ; serial++) {
        const selector = serial === 1 ? `${name.slice(0, 50)}-${kind}` : `${name.slice(0, 50)}-${kind}${serial}`
        if (!taken.has(selector)) return selector
      }
    }
    const selectors = { rsa: free('rsa'), ed25519: free('ed') }
    const rsa = await promisify(generateKeyPair)('rsa', { modulusLength: dkimLimits.rsaKeyBits })
    const ed25519 = await promisify(generateKeyPair)('ed25519', {})
    this.#keep(selectors.rsa, 'rsa-sha256', rsa.privateKey)
    this.#keep(selectors.ed25519, 'ed25519-sha256', ed25519.privateKey)
    this.#generations.push({ madeMs: clock.nowMs(), selectors })
    this.#write()
    this.#choose()
  }

  #keep(selector: string, algorithm: SigningKey['algorithm'], key: KeyObject): void {
    const privateKey = key.export({ type: 'pkcs8', format: 'pem' }) as string
    writeFileDurably(this.#file(selector), privateKey)
    this.#keys.set(selector, { selector, algorithm, privateKey })
  }

  async #publish(): Promise<void> {
    const { ledger } = this.#parts
    const dkim = this.#generations.flatMap((generation) => this.#selectorsOf(generation))
    const said = ledger.directory.node(ledger.self)?.dkim ?? []
    const text = (list: readonly DkimSelector[]) =>
      list.map(({ selector, record }) => `${selector} ${record}`).join('\n')
    if (text(dkim) !== text(said)) await ledger.setSelf({ dkim })
  }

  #selectorsOf({ selectors }: Generation): DkimSelector[] {
    return Object.values(selectors).map((selector) => ({
      selector,
      record: recordOf(this.#keys.get(selector) as SigningKey),
    }))
  }

  #file(selector: string): string {
    return join(this.#parts.directory, `${selector}.pem`)
  }

  #read(): Generation[] {
    const list = join(this.#parts.directory, 'keys.json')
    if (!existsSync(list)) return []
    try {
      const generations = (JSON.parse(readFileSync(list, 'utf8')) as { generations: Generation[] }).generations
      for (const { selectors } of generations) {
        this.#load(selectors.rsa, 'rsa-sha256')
        this.#load(selectors.ed25519, 'ed25519-sha256')
      }
      return generations
    } catch (cause) {
      const text = `the DKIM keys in ${this.#parts.directory} can't be read: ${(cause as Error).message}`
      throw new SkeinError('dkim-keys-unreadable', 'permanent', text, cause)
    }
  }

  #load(selector: string, algorithm: SigningKey['algorithm']): void {
    const privateKey = readFileSync(this.#file(selector), 'utf8')
    createPublicKey(privateKey)
    this.#keys.set(selector, { selector, algorithm, privateKey })
  }

  #write(): void {
    const text = JSON.stringify({ version: 1, generations: this.#generations }, null, 2)
    writeFileDurably(join(this.#parts.directory, 'keys.json'), `${text}\n`)
  }
}

/** RFC 6376 §3.6.1, RFC 8463 §4. */
function recordOf({ algorithm, privateKey }: SigningKey): string {
  const der = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  return algorithm === 'rsa-sha256'
    ? `v=DKIM1; k=rsa; p=${der.toString('base64')}`
    : `v=DKIM1; k=ed25519; p=${der.subarray(-32).toString('base64')}`
}

function keyIn(record: string): string {
  return /(?:^|;)\s*p\s*=([^;]*)/.exec(record)?.[1]?.replace(/\s/g, '') ?? ''
}

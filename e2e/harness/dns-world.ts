// A DNS of a test's own: knot serves a signed test root and the zones below it, unbound validates with that root's key.
// Nothing of it ever asks the real internet; both programs are ended with the test, by pid.
//
//   const world = await DnsWorld.start({ 'there.test': { lines: ['@ MX 10 mx', `mx A ${address}`], signing: 'signed' } })
//   stage.cleanup(() => world.stop())
//   initNode({ settings: { outside: { 'dns-servers': [world.resolver] } } })   // AD is believed: it is on loopback
//   await world.set('there.test', { lines: […], signing: 'signed' })           // at once, in knot and in unbound's cache
//
// `lines` are lines of a zone file (names below the zone without a final dot; `@` is the zone). Zones are delegated from the
// root one by one; PTR records go into '127.in-addr.arpa' or a part of it. `signing`: 'signed' (the root vouches for its key),
// 'unsigned' (the root proves that it has none), 'bogus' (the root names a key that the zone does not have: SERVFAIL).
// A program that reads /etc/resolv.conf needs port 53: `{ port: 53 }`, as root, in a network namespace or chroot of its own.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Resolver } from 'node:dns/promises'
import { loopbackAddress } from './addresses.ts'
import { eventually } from './poll.ts'
import { TrackedProcess, mustRun, temporaryDirectory } from './processes.ts'

export interface Zone {
  lines: readonly string[]
  signing?: 'signed' | 'unsigned' | 'bogus'
}

/** What e2e tests that use this ask `skipWithout` for. */
export const dnsWorldPrograms = ['knotd', 'keymgr', 'knotc', 'unbound', 'unbound-control'] as const

const ttlSeconds = 1
const startDeadlineMs = 15_000

export class DnsWorld {
  readonly directory = temporaryDirectory('dns-world')
  /** Of the validating resolver: `address:port`, for `outside.dns-servers`. */
  readonly resolver: string
  readonly resolverAddress: string
  /** Of the authoritative server. */
  readonly authorityAddress: string
  private readonly port: number
  private readonly zones = new Map<string, Zone>()
  private readonly keyed = new Map<string, string[]>()
  private serial = 1
  private knot: TrackedProcess | undefined
  private unbound: TrackedProcess | undefined

  private constructor(authorityAddress: string, resolverAddress: string, port: number) {
    this.authorityAddress = authorityAddress
    this.resolverAddress = resolverAddress
    this.port = port
    this.resolver = `${resolverAddress}:${port}`
    mkdirSync(join(this.directory, 'zones'))
    mkdirSync(join(this.directory, 'keys'))
  }

  static async start(zones: Record<string, Zone>, options: { port?: number } = {}): Promise<DnsWorld> {
    const world = new DnsWorld(await loopbackAddress(), await loopbackAddress(), options.port ?? 10_053)
    for (const [name, zone] of Object.entries(zones)) world.zones.set(name, zone)
    try {
      await world.write()
      await world.startAuthority()
      await world.startResolver()
      return world
    } catch (error) {
      await world.stop()
      throw error
    }
  }

  /** Changes or adds a zone. When this resolves, unbound answers with the new one. */
  async set(name: string, zone: Zone): Promise<void> {
    const isNew = !this.zones.has(name)
    this.zones.set(name, zone)
    await this.write()
    if (isNew) await this.knotc('reload')
    else await this.knotc('-b', 'zone-reload', '.', name)
    await this.serves(name)
    await this.unboundControl('flush_zone', '.')
    await this.unboundControl('flush_bogus')
    await this.unboundControl('flush_infra', 'all')
  }

  /** The authoritative server stops answering (and goes on), as one that is down. */
  pauseAuthority(): void {
    this.knot?.kill('SIGSTOP')
  }

  resumeAuthority(): void {
    this.knot?.kill('SIGCONT')
  }

  /** What both programs said, for a failure. */
  get log(): string {
    const said = (process: TrackedProcess | undefined) => `${process?.stdout ?? ''}${process?.stderr ?? ''}`
    return `knotd:\n${said(this.knot)}\nunbound:\n${said(this.unbound)}`
  }

  async stop(): Promise<void> {
    this.resumeAuthority()
    for (const process of [this.unbound, this.knot]) {
      process?.kill('SIGTERM')
      const gone = process?.exited.then(() => true)
      if (process && gone) {
        await eventually(() => process.exit !== undefined, {
          what: 'the end of a name server',
          deadlineMs: 5_000,
        }).catch(() => process.killNow())
        await gone
      }
    }
    this.knot = undefined
    this.unbound = undefined
  }

  private async write(): Promise<void> {
    this.serial += 1
    writeFileSync(join(this.directory, 'knot.conf'), this.knotConfig())
    const delegations: string[] = []
    for (const [name, { lines, signing = 'unsigned' }] of this.zones) {
      this.writeZone(name, lines)
      delegations.push(`${name}. NS ns.${name}.`, `ns.${name}. A ${this.authorityAddress}`)
      if (signing === 'signed') delegations.push(...(await this.delegationSigners(name)))
      // A digest of nothing.
      if (signing === 'bogus') delegations.push(`${name}. DS 4242 13 2 ${'42'.repeat(32)}`)
      if (signing !== 'unsigned') await this.delegationSigners(name)
    }
    this.writeZone('', delegations)
  }

  private writeZone(name: string, lines: readonly string[]): void {
    const text = [
      `$ORIGIN ${name}.`,
      `$TTL ${ttlSeconds}`,
      `@ SOA ns hostmaster ${this.serial} 3600 600 86400 ${ttlSeconds}`,
      `@ NS ns`,
      `ns A ${this.authorityAddress}`,
      ...lines,
      '',
    ]
    writeFileSync(join(this.directory, 'zones', `${name || 'root'}.zone`), text.join('\n'))
  }

  private knotConfig(): string {
    const entry = (name: string, signed: boolean) => [
      `  - domain: ${name || '.'}`,
      `    file: ${join(this.directory, 'zones', `${name || 'root'}.zone`)}`,
      ...(signed ? ['    dnssec-signing: on', '    dnssec-policy: own'] : []),
    ]
    const zones = [...this.zones].flatMap(([name, { signing = 'unsigned' }]) => entry(name, signing !== 'unsigned'))
    return [
      `server:\n  listen: ${this.authorityAddress}@${this.port}\n  rundir: ${this.directory}`,
      '  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1',
      `database:\n  storage: ${this.directory}\n  kasp-db: ${join(this.directory, 'keys')}`,
      // Small, since many tests run at once.
      '  journal-db-max-size: 64M\n  kasp-db-max-size: 64M\n  timer-db-max-size: 16M\n  catalog-db-max-size: 16M',
      'log:\n  - target: stdout\n    any: warning',
      'policy:\n  - id: own\n    manual: on\n    single-type-signing: on\n    nsec3: off',
      `template:\n  - id: default\n    zonefile-load: whole\n    zonefile-sync: -1\n    journal-content: none`,
      `zone:\n${[...entry('', true), ...zones].join('\n')}`,
      '',
    ].join('\n')
  }

  /** DS records of a zone's key, which is made where there is none. */
  private async delegationSigners(name: string): Promise<string[]> {
    const known = this.keyed.get(name)
    if (known) return known
    const keymgr = (...args: string[]) =>
      mustRun('keymgr', ['-c', join(this.directory, 'knot.conf'), name || '.', ...args])
    await keymgr('generate', 'algorithm=ECDSAP256SHA256', 'ksk=yes', 'zsk=yes')
    const { stdout } = await keymgr('ds')
    const signers = stdout.split('\n').filter((line) => / DS \d+ \d+ 2 /.test(line))
    this.keyed.set(name, signers)
    return signers
  }

  private async startAuthority(): Promise<void> {
    await this.delegationSigners('')
    this.knot = new TrackedProcess('knotd', ['-c', join(this.directory, 'knot.conf')])
    for (const name of ['', ...this.zones.keys()]) await this.serves(name)
  }

  private async startResolver(): Promise<void> {
    const control = join(this.directory, 'unbound.sock')
    const config = [
      'server:',
      `  interface: ${this.resolverAddress}`,
      `  port: ${this.port}`,
      `  outgoing-interface: ${this.resolverAddress}`,
      '  access-control: 127.0.0.0/8 allow',
      `  directory: "${this.directory}"`,
      '  chroot: ""\n  username: ""\n  pidfile: ""',
      '  do-daemonize: no\n  use-syslog: no\n  logfile: ""\n  verbosity: 1\n  val-log-level: 2',
      '  num-threads: 1\n  do-ip6: no\n  do-not-query-localhost: no',
      '  module-config: "validator iterator"\n  ede: yes',
      // Names that unbound would answer by itself.
      ...['test.', 'invalid.', '127.in-addr.arpa.'].map((name) => `  local-zone: "${name}" nodefault`),
      '  unblock-lan-zones: yes\n  insecure-lan-zones: no',
      '  trust-anchor-signaling: no\n  root-key-sentinel: no\n  qname-minimisation: no\n  aggressive-nsec: no',
      '  outgoing-range: 200\n  num-queries-per-thread: 100\n  msg-cache-size: 1m\n  rrset-cache-size: 1m\n  key-cache-size: 1m',
      ...(this.keyed.get('') ?? []).map((line) => `  trust-anchor: "${line}"`),
      `remote-control:\n  control-enable: yes\n  control-interface: ${control}\n  control-use-cert: no`,
      `stub-zone:\n  name: "."\n  stub-addr: ${this.authorityAddress}@${this.port}\n  stub-prime: no`,
      '',
    ]
    writeFileSync(join(this.directory, 'unbound.conf'), config.join('\n'))
    this.unbound = new TrackedProcess('unbound', ['-d', '-c', join(this.directory, 'unbound.conf')])
    await this.answers(this.resolver, '.', 'the validating resolver', () => true)
  }

  /** Waits until knot has the zone as it was written last. */
  private serves(name: string): Promise<void> {
    const isCurrent = (serial: number) => serial >= this.serial
    return this.answers(`${this.authorityAddress}:${this.port}`, name || '.', `the zone ${name || '.'}`, isCurrent)
  }

  private async answers(
    server: string,
    name: string,
    what: string,
    isEnough: (serial: number) => boolean,
  ): Promise<void> {
    const resolver = new Resolver({ timeout: 500, tries: 1 })
    resolver.setServers([server])
    await eventually(
      async () => {
        for (const process of [this.knot, this.unbound]) if (process?.exit) throw new Error(this.log)
        return isEnough((await resolver.resolveSoa(name)).serial)
      },
      { what: () => `${what} in the DNS\n${this.log}`, deadlineMs: startDeadlineMs },
    )
  }

  private async knotc(...args: string[]): Promise<void> {
    await mustRun('knotc', ['-s', join(this.directory, 'knot.sock'), ...args])
  }

  private async unboundControl(...args: string[]): Promise<void> {
    await mustRun('unbound-control', ['-c', join(this.directory, 'unbound.conf'), ...args])
  }
}

// An authority of a test's own (pebble) and the name server that it believes (knot, which takes dynamic updates signed with a key).
// Only loopback addresses; both programs are ended with the test, by pid.
//
//   const world = await AcmeWorld.start('test.com', ['bj A 127.20.0.3', …])
//   initNode({ settings: { acme: world.settings } })
import { randomBytes } from 'node:crypto'
import { Resolver } from 'node:dns/promises'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { loopbackAddress } from './addresses.ts'
import { eventually } from './poll.ts'
import { TrackedProcess, mustRun, temporaryDirectory } from './processes.ts'
import { ports } from './skein.ts'

/** What e2e tests that use this ask `skipWithout` for. */
export const acmeWorldPrograms = ['pebble', 'knotd', 'openssl'] as const

const acmePort = 14_000
const managementPort = 15_000
const dnsPort = 10_053

export interface AcmeWorldOptions {
  /** How long certificates live. Default 90 days. */
  validitySeconds?: number
  /** Names of external accounts, each with its key in base64url: without one nobody gets an account. */
  externalAccounts?: Record<string, string>
}

export class AcmeWorld {
  readonly directory = temporaryDirectory('acme')
  readonly dnsAddress: string
  readonly updateSecret = randomBytes(32).toString('base64')
  private readonly address: string
  private readonly zone: string
  private serial = 1
  private lines: readonly string[]
  private pebble: TrackedProcess | undefined
  private knot: TrackedProcess | undefined

  private constructor(zone: string, lines: readonly string[], address: string, dnsAddress: string) {
    this.zone = zone
    this.lines = lines
    this.address = address
    this.dnsAddress = dnsAddress
  }

  static async start(zone: string, lines: readonly string[], options: AcmeWorldOptions = {}): Promise<AcmeWorld> {
    const world = new AcmeWorld(zone, lines, await loopbackAddress(), await loopbackAddress())
    await world.startNameServer()
    await world.startAuthority(options)
    return world
  }

  get directoryUrl(): string {
    return `https://${this.address}:${acmePort}/dir`
  }

  get nameServer(): string {
    return `${this.dnsAddress}:${dnsPort}`
  }

  /** For `[acme]` of skein.toml, by HTTP-01. */
  get settings(): Record<string, string | boolean> {
    return { directory: this.directoryUrl, 'agree-to-terms': true, authorities: join(this.directory, 'server.pem') }
  }

  /** The same by DNS-01. */
  get dnsSettings(): Record<string, string | boolean> {
    return {
      ...this.settings,
      method: 'dns-01',
      'dns-server': this.nameServer,
      'dns-key-name': 'updates.test',
      'dns-key-secret': this.updateSecret,
    }
  }

  async setZone(lines: readonly string[]): Promise<void> {
    this.lines = lines
    await this.stopNameServer()
    await this.startNameServer()
  }

  /** TXT as the name server has it now. */
  async texts(name: string): Promise<string[]> {
    const resolver = new Resolver()
    resolver.setServers([this.nameServer])
    try {
      return (await resolver.resolveTxt(name)).map((pieces) => pieces.join(''))
    } catch (error) {
      if (['ENODATA', 'ENOTFOUND'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
      throw error
    }
  }

  async stopAuthority(): Promise<void> {
    this.pebble?.kill('SIGTERM')
    await this.pebble?.exited
    this.pebble = undefined
  }

  /** Whoever it was before: pebble makes itself anew at each start, and knows no account any more. */
  async startAuthority(options: AcmeWorldOptions = {}): Promise<void> {
    const [key, cert, config] = ['server.key', 'server.pem', 'pebble.json'].map((name) => join(this.directory, name))
    const subject = ['-subj', '/CN=pebble', '-addext', `subjectAltName=IP:${this.address}`]
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    await mustRun('openssl', ['req', '-x509', ...curve, '-keyout', key as string, '-out', cert as string, ...subject])
    const pebble = {
      listenAddress: `${this.address}:${acmePort}`,
      managementListenAddress: `${this.address}:${managementPort}`,
      certificate: cert,
      privateKey: key,
      httpPort: ports.http,
      tlsPort: ports.https,
      ocspResponderURL: '',
      externalAccountBindingRequired: options.externalAccounts !== undefined,
      ...(options.externalAccounts && { externalAccountMACKeys: options.externalAccounts }),
      certificateValidityPeriod: options.validitySeconds ?? 90 * 86_400,
    }
    writeFileSync(config as string, JSON.stringify({ pebble }))
    this.pebble = new TrackedProcess(
      'pebble',
      ['-config', config as string, '-dnsserver', this.nameServer, '-strict'],
      {
        // A quarter of all nonces is refused: RFC 8555 §6.5 is tried with each order.
        env: { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '25', PEBBLE_AUTHZREUSE: '0' },
      },
    )
    await eventually(() => this.rootCertificate(), { what: 'an answer of pebble', deadlineMs: 15_000 })
  }

  /** PEM: who vouches for the certificates that it gives out. */
  rootCertificate(): Promise<string> {
    return new Promise((resolve, reject) => {
      const url = `https://${this.address}:${managementPort}/roots/0`
      const asked = request(url, { ca: readFileSync(join(this.directory, 'server.pem')), agent: false }, (response) => {
        let text = ''
        response.on('data', (piece) => (text += piece))
        response.on('end', () => resolve(text))
      })
      asked.on('error', reject)
      asked.end()
    })
  }

  get log(): string {
    return [this.pebble, this.knot].map((process) => `${process?.stdout ?? ''}${process?.stderr ?? ''}`).join('\n')
  }

  async stop(): Promise<void> {
    await this.stopAuthority()
    await this.stopNameServer()
  }

  private async startNameServer(): Promise<void> {
    this.serial += 10
    const zone = [
      `$ORIGIN ${this.zone}.`,
      '$TTL 1',
      `@ SOA ns root ${this.serial} 60 60 60 1`,
      '@ NS ns',
      `ns A ${this.dnsAddress}`,
      ...this.lines,
      '',
    ]
    writeFileSync(join(this.directory, 'zone'), zone.join('\n'))
    const config = [
      `server:\n  listen: ${this.dnsAddress}@${dnsPort}\n  rundir: ${this.directory}`,
      '  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1',
      `database:\n  storage: ${this.directory}`,
      `key:\n  - id: updates.test\n    algorithm: hmac-sha256\n    secret: ${this.updateSecret}`,
      'acl:\n  - id: updates\n    key: updates.test\n    action: update',
      `zone:\n  - domain: ${this.zone}\n    storage: ${this.directory}\n    file: zone\n    acl: updates`,
      '    zonefile-load: whole\n    zonefile-sync: -1\n    journal-content: none',
    ]
    writeFileSync(join(this.directory, 'knot.conf'), `${config.join('\n')}\n`)
    this.knot = new TrackedProcess('knotd', ['-c', join(this.directory, 'knot.conf')])
    await eventually(() => /server started/.test(`${this.knot?.stdout}${this.knot?.stderr}`), { what: 'knot' })
  }

  private async stopNameServer(): Promise<void> {
    this.knot?.kill('SIGTERM')
    await this.knot?.exited
    this.knot = undefined
  }
}

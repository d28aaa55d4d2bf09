// Weeks and years of one node's certificate on a virtual clock, with an authority of the test's own: when it is ordered, how often a
// failure is tried again, and that the certificate in use outlives them all.
import 'reflect-metadata'
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import * as x509 from '@peculiar/x509'
import type { Ledger } from '@skein/replication'
import { type DnsResolver, SkeinError, silentLogger } from '@skein/runtime'
import { VirtualClock, createSeededRandom } from '@skein/testkit'
import { type DataDirectory, dataDirectory, writeFileDurably } from '../data-directory.ts'
import { makeSelfSignedCertificate } from '../self-signed-certificate.ts'
import { loadTlsMaterial } from '../tls-files.ts'
import { keyDigest } from '../tls-keys.ts'
import { type AcmeClient, AcmeProblem } from './acme-client.ts'
import type { AcmeSettings } from './acme-settings.ts'
import { type CertificateKeeper, createCertificateKeeper } from './certificate-keeper.ts'

const dayMs = 86_400_000
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** Gives a certificate for whatever is asked, or says no as it is told to. */
class Authority {
  orders = 0
  directories = 0
  problem: AcmeProblem | undefined
  lifeDays = 90
  readonly #clock: VirtualClock
  readonly #made = new Map<string, string>()

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  connect = (): AcmeClient => ({
    directory: async () => {
      this.directories += 1
      return { newNonce: '', newAccount: 'account', newOrder: 'order', meta: { caaIdentities: ['CA.example'] } }
    },
    signIn: async () => 'account/1',
    keyAuthorization: (token) => token,
    get: async () => assert.fail('nothing is asked in clear'),
    post: async (url, payload) => {
      const answer = (json: unknown, location?: string, text = '') => ({
        status: 200,
        headers: { ...(location !== undefined && { location }) },
        text,
        json,
        retryAfterMs: undefined,
      })
      if (url === 'order') {
        this.orders += 1
        if (this.problem) throw this.problem
        return answer({ status: 'ready', authorizations: [], finalize: `finalize/${this.orders}` }, 'order/1')
      }
      if (url.startsWith('finalize/')) {
        this.#made.set(`certificate/${this.orders}`, await this.#certify((payload as { csr: string }).csr))
        return answer({ status: 'valid', certificate: `certificate/${this.orders}` })
      }
      return answer(undefined, undefined, this.#made.get(url))
    },
  })

  async #certify(csr: string): Promise<string> {
    const request = new x509.Pkcs10CertificateRequest(Buffer.from(csr, 'base64url'))
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const certificate = await x509.X509CertificateGenerator.create(
      {
        subject: 'CN=node',
        issuer: 'CN=authority',
        notBefore: new Date(this.#clock.nowMs()),
        notAfter: new Date(this.#clock.nowMs() + this.lifeDays * dayMs),
        publicKey: await request.publicKey.export(crypto),
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: request.getExtensions('2.5.29.17'),
      },
      crypto,
    )
    return certificate.toString('pem')
  }
}

interface Scene {
  clock: VirtualClock
  authority: Authority
  keeper: CertificateKeeper
  paths: DataDirectory
  said: Record<string, unknown>[]
  tlsa: { digests: string[] }
  /** Everything due until then happens, and has ended. */
  pass(days: number): Promise<void>
  /** As after a restart. */
  again(settings?: Partial<AcmeSettings>): CertificateKeeper
  served(): X509Certificate
}

async function scene(t: TestContext, change: Partial<AcmeSettings> = {}): Promise<Scene> {
  const root = mkdtempSync(join(tmpdir(), 'skein-keeper-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const paths = dataDirectory(root)
  mkdirSync(dirname(paths.tlsCert))
  const clock = new VirtualClock()
  const own = await makeSelfSignedCertificate(['bj.test.com'], clock.nowMs())
  writeFileDurably(paths.tlsCert, own.cert)
  writeFileDurably(paths.tlsKey, own.key)
  const tls = loadTlsMaterial({ cert: paths.tlsCert, key: paths.tlsKey })
  const authority = new Authority(clock)
  const said: Record<string, unknown>[] = []
  const tlsa = { digests: [] as string[] }
  const base: AcmeSettings = {
    directoryUrl: 'https://ca.example/dir',
    authorities: undefined,
    email: '',
    external: undefined,
    method: 'http-01',
    names: ['bj.test.com'],
    keyType: 'ecdsa-p256',
    changesKey: false,
    renewBeforeMs: 30 * dayMs,
    updates: undefined,
    ...change,
  }
  const resolver = {
    tlsa: async () => ({
      records: tlsa.digests.map((digest) => ({ data: Buffer.from(digest, 'hex') })),
      authentic: true,
    }),
  } as unknown as DnsResolver
  const ledger = {
    self: 'bj',
    setSelf: async (fields: Record<string, unknown>) => {
      said.push(fields)
    },
  } as unknown as Ledger
  const make = (settings: Partial<AcmeSettings> = {}) =>
    createCertificateKeeper(
      {
        paths,
        tls,
        ledger,
        resolver,
        prover: { type: 'http-01', present: async () => async () => undefined },
        clock,
        random: createSeededRandom(1),
        logger: silentLogger,
        announceKeys: async () => undefined,
        connect: authority.connect,
      },
      { ...base, ...settings },
      { hostName: 'bj.test.com' },
    )
  let keeper = make()
  /** Keys are made and used on threads of their own, which know no virtual time. */
  const idle = async () => {
    do await turn()
    while (keeper.view().state === 'ordering')
  }
  return {
    clock,
    authority,
    get keeper() {
      return keeper
    },
    paths,
    said,
    tlsa,
    async pass(days) {
      const untilMs = clock.monotonicMs() + days * dayMs
      await idle()
      for (let dueMs = clock.nextDueMs(); dueMs !== undefined; dueMs = clock.nextDueMs()) {
        const aheadMs = dueMs - clock.nowMs()
        if (clock.monotonicMs() + aheadMs > untilMs) break
        await clock.advance(Math.max(aheadMs, 0))
        await idle()
      }
      await clock.advance(Math.max(0, untilMs - clock.monotonicMs()))
    },
    again(settings) {
      keeper = make(settings)
      return keeper
    },
    served: () => new X509Certificate(tls.current().cert),
  }
}

describe('a node’s certificate over time', () => {
  test('a year: one order at the start and one each time that the end comes near', async (t) => {
    const { authority, keeper, pass, served, clock, said, paths } = await scene(t)
    const key = readFileSync(paths.tlsKey, 'utf8')
    keeper.start()
    await pass(1)
    assert.equal(authority.orders, 1)
    assert.equal(served().issuer, 'CN=authority')
    assert.deepEqual(said, [{ authority: 'ca.example' }])
    await pass(50)
    assert.equal(authority.orders, 1)
    await pass(314)
    assert.ok(authority.orders >= 6 && authority.orders <= 7, `${authority.orders} orders in a year`)
    assert.ok(Date.parse(served().validTo) - clock.nowMs() > 29 * dayMs)
    assert.equal(readFileSync(paths.tlsKey, 'utf8'), key)
    await keeper.stop()
  })

  test('an authority that refuses for weeks: asked ever more seldom, told, and forgiven', async (t) => {
    const { authority, keeper, pass, served, clock } = await scene(t)
    keeper.start()
    await pass(1)
    authority.problem = new AcmeProblem({ type: 'urn:ietf:params:acme:error:serverInternal', detail: 'on fire' }, 500)
    const before = served().fingerprint256
    await pass(75)
    const { state, error, failures } = keeper.view()
    assert.deepEqual([state, error], ['failing', 'the authority says: on fire (serverInternal)'])
    assert.ok(failures > 20 && failures < 60, `${failures} attempts in 15 days and more`)
    assert.equal(served().fingerprint256, before)
    assert.ok(Date.parse(served().validTo) > clock.nowMs())
    authority.problem = undefined
    await pass(1)
    assert.notEqual(served().fingerprint256, before)
    assert.deepEqual([keeper.view().state, keeper.view().error], ['good', null])
    await keeper.stop()
  })

  test('in the first hour an authority hears of at most four failures; it is believed when it asks for more time', async (t) => {
    const { authority, keeper, pass, clock } = await scene(t)
    authority.problem = new AcmeProblem({ detail: 'no' }, 403)
    keeper.start()
    await pass(1 / 24)
    assert.ok(authority.orders <= 4, `${authority.orders}`)
    authority.problem = new AcmeProblem({ type: 'urn:ietf:params:acme:error:rateLimited' }, 429, 3 * dayMs)
    await pass(1)
    const seen = authority.orders
    await pass(2)
    assert.equal(authority.orders, seen)
    assert.ok((keeper.view().nextMs ?? 0) > clock.nowMs())
    await keeper.stop()
  })

  test('a restart keeps the pause', async (t) => {
    const { authority, keeper, pass, again } = await scene(t)
    authority.problem = new AcmeProblem({ detail: 'no' }, 403)
    keeper.start()
    await pass(2)
    await keeper.stop()
    const { orders } = authority
    for (let restart = 0; restart < 20; restart++) {
      const next = again()
      next.start()
      await pass(0.0001)
      await next.stop()
    }
    assert.equal(authority.orders, orders)
    // Another authority knows nothing of that.
    const other = again({ directoryUrl: 'https://other.example/dir' })
    other.start()
    await pass(0.0001)
    assert.equal(authority.orders, orders + 1)
    await other.stop()
  })

  test('an operator’s order that fails is told, and does not become a storm', async (t) => {
    const { authority, keeper, pass, served } = await scene(t)
    keeper.start()
    await pass(1)
    const before = served().fingerprint256
    authority.problem = new AcmeProblem(
      { detail: 'several', subproblems: [{ identifier: { value: 'mail.test.com' }, detail: 'not there' }] },
      403,
    )
    await assert.rejects(keeper.renew(), (error) => error instanceof SkeinError && error.code === 'acme-failed')
    assert.deepEqual(keeper.view().refused, [{ name: 'mail.test.com', why: 'not there' }])
    assert.equal(keeper.view().state, 'failing')
    await assert.rejects(keeper.renew(), (error) => error instanceof SkeinError && error.code === 'acme-busy')
    const { orders, directories } = authority
    await pass(2)
    assert.equal(authority.orders, orders, 'nothing needs the order any more')
    assert.equal(keeper.view().state, 'good')
    assert.deepEqual(keeper.view().refused, [])
    assert.ok(authority.directories - directories < 60, `${authority.directories - directories} looks in two days`)
    assert.equal(served().fingerprint256, before)
    await keeper.stop()
  })

  test('RFC 7671 §8.1: another key is used only after TLSA has told of it for two days', async (t) => {
    const { authority, keeper, pass, served, paths, tlsa } = await scene(t, { changesKey: true })
    const first = keyDigest(readFileSync(paths.tlsKey, 'utf8'))
    tlsa.digests = [first]
    keeper.start()
    await pass(1)
    assert.equal(served().issuer, 'CN=authority')
    assert.equal(keyDigest(served().toString()), first, 'the next key is not in the DNS')
    const next = keyDigest(readFileSync(paths.tlsNextKey, 'utf8'))
    await pass(64)
    assert.equal(authority.orders, 2)
    assert.equal(keyDigest(served().toString()), first, 'still not')
    tlsa.digests = [first, next]
    await pass(64)
    assert.equal(keyDigest(served().toString()), next)
    assert.equal(keyDigest(readFileSync(paths.tlsKey, 'utf8')), next)
    assert.notEqual(keyDigest(readFileSync(paths.tlsNextKey, 'utf8')), next, 'and one that comes after it')
    await keeper.stop()
  })
})

// Certificates from a real authority (pebble): by HTTP-01 where another node answers, by DNS-01 with dynamic updates at knot; used
// without a restart; and what is said when none comes.
import assert from 'node:assert/strict'
import { X509Certificate, createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { AcmeWorld, acmeWorldPrograms } from './harness/acme-world.ts'
import { loopbackAddress } from './harness/addresses.ts'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, initNode, inviteFrom, joinNode, ports } from './harness/skein.ts'
import type { CommandResult } from './harness/processes.ts'
import { Stage, imapOf, password } from './harness/stage.ts'
import { skipWithout } from './system-packages.ts'

interface TlsView {
  names: string[]
  issuer: string
  selfMade: boolean
  notAfterMs: number
  acme?: { state: string; failures: number; error: string | null; nextMs: number | null; refused: { name: string }[] }
}

const noAuthority = skipWithout(...acmeWorldPrograms)

/** The certificate that a client of this port sees, verified for that name by whoever trusts the authority. */
function seenBy(node: SkeinNode, port: number, servername: string, ca: string): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: node.address, port, servername, ca }, () => {
      resolve(socket.getPeerX509Certificate() as X509Certificate)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

const keyDigest = (certificate: X509Certificate) =>
  createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')

const viewOf = (node: SkeinNode) => node.json<TlsView>(['tls'])

/** An order may be under way, or was a moment ago. */
function renew(node: SkeinNode): Promise<CommandResult> {
  return eventually(
    async () => {
      const result = await node.command(['tls', 'renew'])
      return /a moment ago/.test(result.stderr) ? undefined : result
    },
    { what: 'the pause between two orders', everyMs: 500, deadlineMs: 20_000 },
  )
}

async function settled(node: SkeinNode, what: string): Promise<TlsView> {
  return eventually(
    async () => {
      const view = await viewOf(node)
      return view.acme?.state === 'good' && !view.selfMade ? view : undefined
    },
    { what, deadlineMs: 60_000 },
  )
}

test('certificates by HTTP-01, in a mesh', { timeout: 180_000, skip: noAuthority }, async (t) => {
  const stage = new Stage(t)
  const [first, second] = [await loopbackAddress(), await loopbackAddress()]
  // mail leads to the other node alone: whoever orders can't answer there itself. mta-sts leads to both, autodiscover to a stranger.
  const zone = [`bj A ${first}`, `hk A ${second}`, `mail A ${second}`, `mta-sts A ${first}`, `mta-sts A ${second}`]
  const world = await AcmeWorld.start('test.com', [...zone, 'autodiscover A 127.0.0.1'])
  stage.cleanup(() => world.stop())
  const settings = { outside: { 'dns-servers': [world.nameServer] } }
  const bj = await initNode({ name: 'bj', address: first, settings })
  stage.add(bj)
  await bj.start()
  const hk = await joinNode(await inviteFrom(bj), { name: 'hk', address: second, settings })
  stage.add(hk)
  await hk.start()
  await bj.addUser('li@test.com', password)

  let keyBefore = ''
  await stage.step('a node says clearly what [acme] lacks, and does not start', async () => {
    keyBefore = readFileSync(join(bj.data, 'tls', 'key.pem'), 'utf8')
    const off = await bj.command(['tls', 'renew'])
    assert.equal(off.code, 1)
    assert.match(off.stderr, /no authority is named/)
    await bj.stop()
    const wrong: [Record<string, string | boolean | string[]>, RegExp][] = [
      [{ 'agree-to-terms': false }, /agree to its terms: agree-to-terms = true/],
      [{ 'agree-to-terms': true, names: ['*.test.com'] }, /\*\. names only by method = "dns-01"/],
      [{ names: [], method: 'dns-01' }, /dns-01 needs dns-server/],
      [{ method: 'http-01', 'eab-key-id': 'x' }, /belong together/],
      [{ 'eab-key-id': '', directory: 'http://ca.example/dir' }, /https:/],
    ]
    for (const [acme, text] of wrong) {
      bj.setSettings({ acme: { ...world.settings, ...acme } })
      const { code, stderr } = await bj.command(['run'])
      assert.equal(code, 1)
      assert.match(stderr, text)
    }
  })

  let fingerprint = ''
  await stage.step(
    'a certificate for the host name and the names that lead to nodes, answered for by either',
    async () => {
      bj.setSettings({ acme: { ...world.settings, 'eab-key-id': '' } })
      await bj.start()
      const view = await settled(bj, `a certificate for bj: ${world.log}`)
      assert.deepEqual(view.names.sort(), ['bj.test.com', 'mail.test.com', 'mta-sts.test.com'])
      assert.equal(view.acme?.error, null)
      const ca = await world.rootCertificate()
      for (const port of [ports.imaps, ports.https, ports.submissions, ports.pop3s]) {
        for (const name of ['bj.test.com', 'mail.test.com']) {
          fingerprint = (await seenBy(bj, port, name, ca)).fingerprint256
        }
      }
      // The other node was asked by the authority, and knew the answer.
      assert.doesNotMatch(bj.log, /will not answer for this challenge/)
      assert.equal(readFileSync(join(bj.data, 'tls', 'key.pem'), 'utf8'), keyBefore, 'the key stays, and TLSA with it')
      for (const file of ['tls/cert.pem', 'tls/key.pem', 'acme/account.key', 'acme/state.json']) {
        assert.equal(statSync(join(bj.data, file)).mode & 0o777, 0o600, file)
      }
      const status = await bj.json<{ certificate: { selfMade: boolean; notAfterMs: number }; warnings: string[] }>([
        'status',
      ])
      assert.equal(status.certificate.selfMade, false)
      assert.ok(Math.abs(status.certificate.notAfterMs - Date.now() - 90 * 86_400_000) < 86_400_000)
      assert.deepEqual(status.warnings, [])
      assert.match((await bj.must(['tls'])).stdout, /^from: CN=Pebble Intermediate/m)
    },
  )

  await stage.step('a renewal is used without a restart, and sessions under way live on', async () => {
    const session = await imapOf(bj, 'li@test.com')
    assert.equal((await renew(bj)).code, 0)
    const ca = await world.rootCertificate()
    const now = await seenBy(bj, ports.imaps, 'mail.test.com', ca)
    assert.notEqual(now.fingerprint256, fingerprint)
    fingerprint = now.fingerprint256
    assert.equal(readFileSync(join(bj.data, 'tls', 'key.pem'), 'utf8'), keyBefore)
    await session.command('NOOP')
    session.link.destroy()
    const soon = await bj.command(['tls', 'renew'])
    assert.match(soon.stderr, /a moment ago/)
  })

  await stage.step('a restart orders nothing', async () => {
    await bj.restart()
    const looked = async () => {
      const { acme } = await viewOf(bj)
      return acme?.state === 'good' && acme.nextMs !== null ? acme.nextMs : undefined
    }
    const nextMs = await eventually(looked, { what: 'the time of the next order' })
    assert.ok(Math.abs(nextMs - Date.now() - 60 * 86_400_000) < 4 * 86_400_000, new Date(nextMs).toISOString())
    const ca = await world.rootCertificate()
    assert.equal((await seenBy(bj, ports.imaps, 'bj.test.com', ca)).fingerprint256, fingerprint)
    assert.doesNotMatch(bj.log, /a certificate is ordered/)
  })

  await stage.step('a name that can not be verified is told of, and the certificate in use stays', async () => {
    const ca = await world.rootCertificate()
    await world.setZone([...zone.slice(1), 'bj A 127.0.0.1'])
    const { code, stderr } = await renew(bj)
    assert.equal(code, 1)
    assert.match(stderr, /no certificate: the authority could not verify bj\.test\.com: /)
    assert.equal((await seenBy(bj, ports.imaps, 'bj.test.com', ca)).fingerprint256, fingerprint)
    const view = await viewOf(bj)
    assert.equal(view.acme?.state, 'failing')
    const waitMs = (view.acme.nextMs ?? 0) - Date.now()
    assert.ok(waitMs > 200_000, `tried again only in minutes, not in ${waitMs} ms`)
    const status = await bj.json<{ warnings: string[] }>(['status'])
    assert.match(status.warnings.join('\n'), /no new certificate \(1 times\): .*bj\.test\.com/)
    assert.match(bj.log, /no certificate came of an order; the one in use stays/)
    await bj.restart()
    assert.doesNotMatch(bj.log, /a certificate is ordered/, 'a restart is no way around the pause')
  })

  await stage.step('an authority that forgot us, or is down, and is well again', async () => {
    await world.setZone(zone)
    await world.stopAuthority()
    const down = await renew(bj)
    assert.match(down.stderr, /no certificate: .*ECONNREFUSED/)
    await world.startAuthority()
    // Its own certificate is another one too: the file in `authorities` is read at the start.
    await bj.restart()
    assert.match((await renew(bj)).stderr, /accountDoesNotExist/)
    assert.equal((await renew(bj)).code, 0)
    const view = await viewOf(bj)
    assert.equal(view.acme?.failures, 0)
    assert.deepEqual((await bj.json<{ warnings: string[] }>(['status'])).warnings, [])
  })

  await stage.step('the second node gets a certificate of its own for the same shared names', async () => {
    await hk.stop()
    hk.setSettings({ acme: world.settings })
    await hk.start()
    const view = await settled(hk, 'a certificate for hk')
    assert.deepEqual(view.names.sort(), ['hk.test.com', 'mail.test.com', 'mta-sts.test.com'])
  })
})

test('certificates by DNS-01', { timeout: 180_000, skip: noAuthority }, async (t) => {
  const stage = new Stage(t)
  const external = { keyId: 'kid-1', key: Buffer.from('a key that was agreed upon elsewhere').toString('base64url') }
  const options = { externalAccounts: { [external.keyId]: external.key }, validitySeconds: 24 }
  // No name leads anywhere: nothing but the zone proves them.
  const world = await AcmeWorld.start('test.com', ['_25._tcp.bj TXT "nothing"'], options)
  stage.cleanup(() => world.stop())
  const settings = {
    outside: { 'dns-servers': [world.nameServer] },
    acme: { ...world.dnsSettings, names: ['bj.test.com', 'test.com', '*.test.com'], 'change-key': true },
  }
  const bj = await initNode({ name: 'bj', settings })
  stage.add(bj)

  await stage.step('an authority that wants an external account', async () => {
    await bj.start()
    const view = await eventually(
      async () => {
        const now = await viewOf(bj)
        return now.acme?.state === 'failing' ? now : undefined
      },
      { what: 'a refusal' },
    )
    assert.match(view.acme?.error ?? '', /externalAccountRequired|external account/i)
    await bj.stop()
    bj.setSettings({ acme: { 'eab-key-id': external.keyId, 'eab-hmac-key': external.key } })
  })

  await stage.step('a wrong key at the name server is told of', async () => {
    bj.setSettings({ acme: { 'dns-key-secret': Buffer.from('wrong').toString('base64') } })
    await bj.start()
    const { stderr } = await renew(bj)
    assert.match(stderr, /could not be proved: .* does not change the zone test\.com \(BADSIG\): the secret of the key/)
    await bj.stop()
    bj.setSettings({ acme: { 'dns-key-secret': world.updateSecret } })
  })

  await stage.step('a wildcard, proved in the zone, which is clean again afterwards', async () => {
    await bj.start()
    assert.equal((await renew(bj)).code, 0)
    const view = await viewOf(bj)
    assert.deepEqual(view.names.sort(), ['*.test.com', 'bj.test.com', 'test.com'])
    const ca = await world.rootCertificate()
    await seenBy(bj, ports.imaps, 'anything.test.com', ca)
    const zone = await world.texts('_acme-challenge.test.com')
    assert.deepEqual(zone, [])
  })

  await stage.step('it is renewed by itself in time, with a key that was told beforehand', async () => {
    const planned = await bj.json<{ zones: { records: { type: string; value: string }[] }[] }>(['dns'])
    const told = planned.zones.flatMap(({ records }) => records.filter(({ type }) => type === 'TLSA'))
    assert.equal(told.length, 2, 'the key in use and the next one')
    const before = readFileSync(join(bj.data, 'tls', 'cert.pem'), 'utf8')
    const after = await eventually(
      () => {
        const now = readFileSync(join(bj.data, 'tls', 'cert.pem'), 'utf8')
        return now === before ? undefined : now
      },
      { what: `a renewal before 24 s are over: ${bj.log}`, deadlineMs: 40_000 },
    )
    assert.ok(Date.parse(new X509Certificate(before).validTo) > Date.now(), 'there was always a good one')
    const ca = await world.rootCertificate()
    const seen = await eventually(
      async () => {
        const certificate = await seenBy(bj, ports.imaps, 'bj.test.com', ca)
        return certificate.fingerprint256 === new X509Certificate(after).fingerprint256 ? certificate : undefined
      },
      { what: 'the new certificate at the IMAP door' },
    )
    assert.equal(told[1]?.value, `3 1 1 ${keyDigest(seen)}`)
    assert.ok(existsSync(join(bj.data, 'tls', 'next-key.pem')))
  })

  await stage.step('a crash between certificate and key is mended at the start', async () => {
    await bj.stop()
    const tls = (name: string) => join(bj.data, 'tls', name)
    // As it lies on disk when the certificate for the next key was written and the key was not moved yet.
    const { key, next } = { key: readFileSync(tls('key.pem')), next: readFileSync(tls('next-key.pem')) }
    writeFileSync(tls('key.pem'), next)
    writeFileSync(tls('next-key.pem'), key)
    await bj.start()
    assert.deepEqual(readFileSync(tls('key.pem')), key)
  })
})

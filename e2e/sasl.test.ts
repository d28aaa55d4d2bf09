// Log-in mechanisms with clients that people use: GNU SASL itself, mpop, msmtp, mbsync (Cyrus SASL) and curl, at home and at
// the wrong node, bound to the TLS connection, by password and by certificate.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from './harness/poll.ts'
import { type CommandResult, mustRun, runCommand, temporaryDirectory } from './harness/processes.ts'
import { type SkeinNode, ports, startMesh } from './harness/skein.ts'
import { Stage, letter, submissionTo } from './harness/stage.ts'
import { skipWithout } from './system-packages.ts'

const password = 'wild-geese-42'
const aaa = 'aaa@test.com'
const bbb = 'bbb@test.com'

/** An authority and a client certificate for `address`, in files. */
function clientCertificate(directory: string, address: string) {
  const path = (name: string) => join(directory, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  writeFileSync(
    path('ext'),
    `basicConstraints=CA:FALSE\nsubjectAltName=email:${address}\nextendedKeyUsage=clientAuth\n`,
  )
  openssl('req', '-x509', ...fresh, '-subj', '/CN=ca', '-days', '2', '-keyout', path('ca.key'), '-out', path('ca.pem'))
  openssl('req', ...fresh, '-subj', '/CN=client', '-keyout', path('client.key'), '-out', path('csr'))
  const authority = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-extfile', path('ext')]
  openssl('x509', '-req', '-in', path('csr'), ...authority, '-days', '1', '-out', path('client.pem'))
  return { authority: path('ca.pem'), key: path('client.key'), cert: path('client.pem') }
}

test('log-in mechanisms with real clients', { timeout: 300_000 }, async (t) => {
  const stage = new Stage(t)
  let bj: SkeinNode
  let hk: SkeinNode
  const certificate = clientCertificate(temporaryDirectory('client-certificate'), aaa)

  await stage.step('two nodes, aaa on the first, bbb on the second', async () => {
    const nodes = await startMesh(['bj', 'hk'], {
      settings: { tls: { 'client-authorities': certificate.authority }, smtp: { 'channel-binding': true } },
    })
    stage.add(...nodes)
    ;[bj, hk] = nodes as [SkeinNode, SkeinNode]
    await bj.addUser(aaa, password)
    await hk.addUser(bbb, password)
    await eventually(async () => (await bj.users()).length === 2, { what: 'both users on bj' })
    await eventually(async () => (await hk.users()).length === 2, { what: 'both users on hk' })
    await using client = await submissionTo(bj, aaa, password)
    await client.send(aaa, [aaa], letter(aaa, aaa, 'for the clients').text)
  })

  const independent = async (name: string, programs: string[], body: () => Promise<void>) => {
    await stage.independent(name, body, skipWithout(...programs))
  }

  /** GNU SASL's own client; its messages are on the terminal. */
  const gsasl = async (
    node: SkeinNode,
    protocol: 'imap' | 'smtp',
    options: { user: string; mechanism: string; password?: string; more?: string[] },
  ): Promise<CommandResult> => {
    const port = protocol === 'imap' ? ports.imap : ports.submission
    const who = ['--authentication-id', options.user, '--password', options.password ?? password]
    const how = ['--mechanism', options.mechanism, '--no-client-first', ...(options.more ?? [])]
    // No certificate authority: the nodes sign their own.
    const tls = ['--starttls', '--x509-ca-file=', '--priority=NORMAL']
    const target = [`--connect=${node.address}:${port}`, `--${protocol}`]
    return runCommand('gsasl', ['--client', ...target, ...who, ...how, ...tls], { input: '' })
  }

  for (const protocol of ['imap', 'smtp'] as const) {
    for (const mechanism of ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'PLAIN', 'LOGIN']) {
      await independent(`gsasl logs in over ${protocol} by ${mechanism}, at home and away`, ['gsasl'], async () => {
        const more = mechanism === 'SCRAM-SHA-256' ? ['--no-cb'] : []
        for (const node of [bj, hk]) {
          const right = await gsasl(node, protocol, { user: aaa, mechanism, more })
          assert.equal(right.code, 0, `${right.stdout}${right.stderr}`)
        }
        const wrong = await gsasl(bj, protocol, { user: bbb, mechanism, more, password: 'guess' })
        assert.notEqual(wrong.code, 0)
      })
    }
  }

  await independent('mpop fetches by SCRAM-SHA-256 over POP3, at home and away', ['mpop'], async () => {
    for (const node of [bj, hk]) {
      const directory = temporaryDirectory('mpop')
      const config = join(directory, 'mpoprc')
      const lines = [
        'account default',
        `host ${node.address}`,
        `port ${ports.pop3s}`,
        'tls on',
        'tls_starttls off',
        'tls_certcheck off',
        'auth scram-sha-256',
        `user ${aaa}`,
        `password ${password}`,
        'keep on',
        `uidls_file ${join(directory, 'uidls')}`,
        `delivery mbox ${join(directory, 'mbox')}`,
      ]
      writeFileSync(config, `${lines.join('\n')}\n`, { mode: 0o600 })
      const { stdout } = await mustRun('mpop', [`--file=${config}`])
      assert.match(stdout, /retrieved|new/i)
    }
  })

  await independent('msmtp submits by SCRAM-SHA-256', ['msmtp'], async () => {
    const config = join(temporaryDirectory('msmtp'), 'msmtprc')
    const lines = ['account default', `host ${hk.address}`, `port ${ports.submission}`, 'tls on', 'tls_starttls on']
    lines.push('tls_certcheck off', 'auth scram-sha-256', `user ${aaa}`, `password ${password}`, `from ${aaa}`)
    writeFileSync(config, `${lines.join('\n')}\n`, { mode: 0o600 })
    await mustRun('msmtp', [`--file=${config}`, bbb], { input: letter(aaa, bbb, 'by msmtp').text })
  })

  await independent('mbsync syncs by Cyrus SASL’s SCRAM-SHA-256', ['mbsync'], async () => {
    const directory = temporaryDirectory('mbsync')
    mkdirSync(join(directory, 'mail'))
    const lines = [
      'IMAPAccount a',
      `Host ${bj.address}`,
      `Port ${ports.imaps}`,
      'SSLType IMAPS',
      `CertificateFile ${join(bj.data, 'tls/cert.pem')}`,
      'AuthMechs SCRAM-SHA-256',
      `User ${aaa}`,
      `Pass ${password}`,
      '',
      'IMAPStore far',
      'Account a',
      '',
      'MaildirStore near',
      `Inbox ${join(directory, 'mail/inbox')}`,
      '',
      'Channel c',
      'Far :far:INBOX',
      'Near :near:INBOX',
      'Create Near',
      `SyncState ${join(directory, 'state')}`,
    ]
    writeFileSync(join(directory, 'mbsyncrc'), `${lines.join('\n')}\n`, { mode: 0o600 })
    await mustRun('mbsync', ['-c', join(directory, 'mbsyncrc'), 'c'])
  })

  await independent('curl logs in with a client certificate, at home only', ['curl', 'openssl'], async () => {
    const curl = (node: SkeinNode, url: string, ...more: string[]) => {
      const user = ['--user', `${aaa}:`, '--login-options', 'AUTH=EXTERNAL']
      const files = ['--cert', certificate.cert, '--key', certificate.key]
      const base = ['--silent', '--show-error', '--insecure', '--max-time', '20']
      return runCommand('curl', [...base, ...files, ...user, url, ...more])
    }
    const home = await curl(bj, `imaps://${bj.address}:${ports.imaps}/`)
    assert.equal(home.code, 0, home.stderr)
    assert.match(home.stdout, /INBOX/)
    assert.equal((await curl(bj, `pop3s://${bj.address}:${ports.pop3s}/`)).code, 0)
    const send = ['--mail-from', aaa, '--mail-rcpt', bbb, '-T', '-']
    const sent = await runCommand(
      'curl',
      [
        '--silent',
        '--show-error',
        '--insecure',
        '--max-time',
        '20',
        '--cert',
        certificate.cert,
        '--key',
        certificate.key,
      ]
        .concat('--user', `${aaa}:`, '--login-options', 'AUTH=EXTERNAL')
        .concat(`smtps://${bj.address}:${ports.submissions}/x`, ...send),
      { input: letter(aaa, bbb, 'by certificate').text },
    )
    assert.equal(sent.code, 0, sent.stderr)
    // The home has not seen the certificate: its word is not another node's to give.
    assert.notEqual((await curl(hk, `imaps://${hk.address}:${ports.imaps}/`)).code, 0)
  })
})

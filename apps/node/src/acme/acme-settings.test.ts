import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isErrorCode } from '@skein/runtime'
import { parseConfig } from '../config.ts'
import { acmeSettings } from './acme-settings.ts'

const base = 'directory = "https://ca.example/dir"\nagree-to-terms = true\n'
const settingsOf = (acme: string, more = '') => acmeSettings(parseConfig(`${more}\n[acme]\n${acme}`, 'skein.toml'))

test('no directory: nobody is asked', () => {
  assert.equal(acmeSettings(parseConfig('', 'skein.toml')), undefined)
  assert.equal(settingsOf('agree-to-terms = true'), undefined)
})

test('what is left out has a value', () => {
  const settings = settingsOf(base)
  assert.equal(settings?.method, 'http-01')
  assert.equal(settings.keyType, 'ecdsa-p256')
  assert.equal(settings.changesKey, false)
  assert.equal(settings.renewBeforeMs, 30 * 86_400_000)
  assert.deepEqual(
    [settings.names, settings.external, settings.updates, settings.authorities],
    [[], undefined, undefined, undefined],
  )
})

test('DNS-01 with its key, an external account', () => {
  const key =
    'dns-server = "[2001:db8::53]:5353"\ndns-key-name = "Updates."\ndns-key-secret = "c2VjcmV0"\ndns-wait-seconds = 5\n'
  const account = 'eab-key-id = "kid"\neab-hmac-key = "AQID"\n'
  const settings = settingsOf(
    `${base}method = "dns-01"\nnames = ["*.Test.com", "test.com", "test.com"]\n${key}${account}`,
  )
  assert.deepEqual(settings?.names, ['*.test.com', 'test.com'])
  assert.deepEqual(settings.updates, {
    server: { address: '2001:db8::53', port: 5353 },
    key: { name: 'updates', algorithm: 'hmac-sha256', secret: Buffer.from('secret') },
    waitMs: 5000,
  })
  assert.deepEqual(settings.external, { keyId: 'kid', hmacKey: Buffer.from([1, 2, 3]) })
})

test('what can not work is refused with what to change', () => {
  const dns = `${base}method = "dns-01"\n`
  const cases: [acme: string, text: RegExp, more?: string][] = [
    ['directory = "https://ca.example/dir"', /agree-to-terms = true/],
    ['directory = "http://ca.example/dir"\nagree-to-terms = true', /https:/],
    [base, /take cert and key out of \[tls\]/, '[tls]\ncert = "a.pem"\nkey = "b.pem"'],
    [base, /http is off/, '[listen]\nhttp = false'],
    [`${base}names = ["*.test.com"]`, /only by method = "dns-01"/],
    [`${base}eab-key-id = "x"`, /belong together/],
    [`${base}authorities = "/nowhere/ca.pem"`, /nowhere/],
    [dns, /needs dns-server/],
    [`${dns}dns-server = "ns.test.com"\ndns-key-name = "a"\ndns-key-secret = "b"`, /dns-server: no address/],
  ]
  for (const [acme, text, more] of cases) {
    const refuses = (error: unknown) => isErrorCode(error, 'acme-settings') && text.test(error.message)
    assert.throws(() => settingsOf(acme, more), refuses, acme)
  }
  for (const acme of [
    'names = ["localhost"]',
    'key-type = "ed25519"',
    'renew-before-days = 0',
    'method = "tls-alpn-01"',
  ]) {
    assert.throws(
      () => settingsOf(`${base}${acme}`),
      (error) => isErrorCode(error, 'config-invalid'),
      acme,
    )
  }
})

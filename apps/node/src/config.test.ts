import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configReference } from './config-reference.ts'
import { parseConfig } from './config.ts'

test('an empty file gives every default', () => {
  const config = parseConfig('', 'skein.toml')
  assert.equal(config.profile, 'standard')
  assert.equal(config.smtp['bare-line-ends'], 'refuse')
  assert.equal(config.mesh.backlog, 32)
})

test('an unknown key is refused with the nearest known one', () => {
  assert.throws(() => parseConfig('prfile = "dev"', 'skein.toml'), {
    code: 'config-invalid',
    message: 'skein.toml: unknown key "prfile"; did you mean "profile"?',
  })
  assert.throws(() => parseConfig('[smtp]\nmesage-bytes-max = 5', 'x.toml'), {
    message: 'x.toml: unknown key "smtp.mesage-bytes-max"; did you mean "smtp.message-bytes-max"?',
  })
  assert.throws(() => parseConfig('[zzzzzz]', 'x.toml'), { message: 'x.toml: unknown key "zzzzzz"' })
})

test('a value of the wrong kind and broken TOML are explained', () => {
  assert.throws(() => parseConfig('bind = 5', 'x.toml'), /x\.toml: bind: /)
  assert.throws(() => parseConfig('[mesh]\nbacklog = 5000', 'x.toml'), /mesh\.backlog: .*1024/)
  assert.throws(() => parseConfig('= nothing', 'x.toml'), /x\.toml is not valid TOML/)
})

test('every key says what it means', () => {
  const keys = configReference()
  assert.ok(keys.length > 30)
  assert.deepEqual(
    keys.filter((entry) => entry.text === ''),
    [],
  )
})

test('values that no listener could use are refused with the key’s name', () => {
  for (const [text, key] of [
    ['bind = "zz"', 'bind'],
    ['host-name = "a b"', 'host-name'],
    ['host-name = "mail.test.com."', 'host-name'],
    ['[listen]\nsmtp = "x"', 'listen.smtp'],
    ['[smtp]\ntrusted = ["300.1.1.1"]', 'smtp.trusted.0'],
    ['[smtp]\ntrusted = ["10.0.0.0/99"]', 'smtp.trusted.0'],
  ] as const) {
    assert.throws(() => parseConfig(text, 'f'), new RegExp(`${key.replaceAll('.', '\\.')}: [^\n]+$`), text)
  }
  const taken = 'bind = "::1"\nhost-name = "mx-1.test.com"\n[smtp]\ntrusted = ["10.0.0.0/8", "fd00::/8", "::1"]'
  assert.equal(parseConfig(taken, 'f')['host-name'], 'mx-1.test.com')
})

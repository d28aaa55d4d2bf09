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

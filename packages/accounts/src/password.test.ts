import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPasswordRules, hashPassword, verifyPassword } from './password.ts'

test('a hashed password is an argon2id PHC string that only the same password fits', async () => {
  const phc = await hashPassword('correct horse 电池')
  assert.match(phc, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  assert.equal(await verifyPassword(phc, 'correct horse 电池'), true)
  assert.equal(await verifyPassword(phc, 'correct horse 电池 '), false)
})

test('the same password in another Unicode form fits', async () => {
  const phc = await hashPassword('caf\u00e9-table')
  assert.equal(await verifyPassword(phc, 'cafe\u0301-table'), true)
})

test('what is stored but is no PHC string fits nothing', async () => {
  for (const stored of ['', 'x', '$argon2id$broken', '{SSHA}abc']) assert.equal(await verifyPassword(stored, ''), false)
})

test('too short and too long passwords are refused by name', () => {
  assert.throws(() => checkPasswordRules('short'), { code: 'password-too-short' })
  assert.throws(() => checkPasswordRules('x'.repeat(1025)), { code: 'password-too-long' })
  checkPasswordRules('长长长长长长长长')
})

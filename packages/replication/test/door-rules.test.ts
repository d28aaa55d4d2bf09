// Whom the doors of all nodes let in or not: the same on every node, and after a power cut.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isErrorCode } from '@skein/runtime'
import { ledgerLimits } from '../src/limits.ts'
import { TestMesh } from './mesh-of-ledgers.ts'

const refusedAs = (code: string) => (error: unknown) => isErrorCode(error, code)
const rule = (subject: string, list: 'block' | 'allow' = 'block') => ({ subject, list, reason: 'why', untilMs: null })

describe('door rules', () => {
  it('hold everywhere, are replaced and removed from anywhere, and outlive a crash', async () => {
    const mesh = new TestMesh(21)
    const a = await mesh.found('a', ['test.com'])
    const b = await mesh.join('b', a)
    await mesh.connectAll()
    await mesh.converged()
    let changes = 0
    b.ledger.directory.onChange(() => (changes += 1))
    await mesh.run(a.ledger.setDoorRule(rule('192.0.2.0/24')))
    await mesh.run(a.ledger.setDoorRule({ ...rule('bad.example'), untilMs: 12_345 }))
    await mesh.converged()
    await mesh.until(() => changes > 0 && b.ledger.doorRules().length === 2, 'b knows both')
    assert.deepEqual(b.ledger.doorRules(), [rule('192.0.2.0/24'), { ...rule('bad.example'), untilMs: 12_345 }])
    await mesh.run(b.ledger.setDoorRule(rule('bad.example', 'allow')))
    await mesh.run(b.ledger.removeDoorRule('192.0.2.0/24'))
    await mesh.until(() => a.ledger.doorRules().length === 1, 'a knows of the end of one')
    const again = await mesh.restart(a)
    assert.deepEqual(again.ledger.doorRules(), [rule('bad.example', 'allow')])
  })

  it('are refused where they say nothing', async () => {
    const mesh = new TestMesh(22)
    const a = await mesh.found('a', ['test.com'])
    const long = 'x'.repeat(ledgerLimits.doorReasonCharactersMax + 1)
    for (const wrong of [
      rule(''),
      rule('Bad.example'),
      rule('a b'),
      rule('x'.repeat(321)),
      { ...rule('x'), reason: long },
    ]) {
      await assert.rejects(mesh.run(a.ledger.setDoorRule(wrong)), refusedAs('bad-door-rule'), wrong.subject)
    }
    await assert.rejects(mesh.run(a.ledger.removeDoorRule('192.0.2.1')), refusedAs('no-such-door-rule'))
    assert.deepEqual(a.ledger.doorRules(), [])
  })
})

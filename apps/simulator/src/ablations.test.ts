import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ablations, type AblationName } from './ablations.ts'
import { simulate } from './simulation.ts'

/** What the checkers say first when a rule is off; a run that fails for another reason proves nothing. */
const noticed: Record<AblationName, RegExp> = {
  'deduplication-off': /came to .* [2-9] times/,
  'queue-fsync-off': /was acknowledged and is nowhere/,
  'mailbox-fsync-off': /was acknowledged and is nowhere/,
  'retry-off': /still holds \d+ letters/,
  'recovery-off': /was acknowledged and is nowhere/,
  'uid-rollback': /UID \d+ names another message|not above \d+/,
  'void-off': /came to .* [2-9] times/,
  'outcome-unread': /came to .* [2-9] times/,
  'anti-entropy-off': /user lists differ/,
}
const seedsMax = 8

for (const [name, { what }] of Object.entries(ablations)) {
  test(`the checkers notice when ${what}`, async () => {
    for (let seed = 1; seed <= seedsMax; seed++) {
      const { failures } = await simulate({ seed, seconds: 5, ablation: name as AblationName })
      if (failures.some((it) => noticed[name as AblationName].test(it))) return
    }
    assert.fail(`${seedsMax} seeds passed without the rule`)
  })
}

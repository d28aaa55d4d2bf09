// The keys of a node: made once, published, kept over restarts, and exchanged without a letter that nobody can check.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { DkimSelector, NodeRecord } from '@skein/accounts'
import { SkeinError, isErrorCode, silentLogger } from '@skein/runtime'
import { VirtualClock } from '@skein/testkit'
import { DkimKeys, type DkimKeyComponents, dkimLimits } from './dkim-keys.ts'

interface World extends DkimKeyComponents {
  clock: VirtualClock
  /** What this node says of itself. */
  said(): readonly DkimSelector[]
  /** Selectors that the DNS shows for both domains. */
  shown: Set<string>
}

function world(t: TestContext, others: NodeRecord[] = []): World {
  const directory = join(mkdtempSync(join(tmpdir(), 'skein-dkim-')), 'dkim')
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  let dkim: readonly DkimSelector[] = []
  const shown = new Set<string>()
  const own = () => ({ id: 'n1', name: 'Bj', dkim }) as unknown as NodeRecord
  return {
    directory,
    clock: new VirtualClock(),
    logger: silentLogger,
    shown,
    said: () => dkim,
    ledger: {
      self: 'n1',
      directory: {
        node: own,
        nodes: () => [own(), ...others],
        domains: () => [{ name: 'test.com' }, { name: 'other.test' }],
      } as unknown as World['ledger']['directory'],
      setSelf: async (fields) => {
        dkim = fields.dkim ?? dkim
      },
    },
    dns: {
      async txt(name) {
        const [selector = ''] = name.split('.')
        const record = dkim.find((it) => it.selector === selector)?.record
        if (!record || !shown.has(selector)) throw new SkeinError('no-such-domain', 'permanent', 'none')
        // As DNS panels store it: other blanks, other tags.
        return { records: [record.replaceAll('; ', ' ;').replace(/(p=.{9})/, '$1 ')], authentic: false }
      },
    },
  }
}

const states = (keys: DkimKeys) => keys.list().map(({ selector, state }) => `${selector} ${state}`)
const using = (keys: DkimKeys) => keys.signing().map((key) => key.selector)

test('the first keys are made once, kept secret, published, and there again after a restart', async (t) => {
  const parts = world(t)
  const keys = new DkimKeys(parts)
  assert.deepEqual(using(keys), [])
  await keys.start()
  assert.deepEqual(using(keys), ['bj-rsa', 'bj-ed'])
  assert.deepEqual(
    parts.said().map(({ selector }) => selector),
    ['bj-rsa', 'bj-ed'],
  )
  assert.match(parts.said()[0]?.record ?? '', /^v=DKIM1; k=rsa; p=MIIBIjAN[A-Za-z0-9+/]+=*$/)
  assert.match(parts.said()[1]?.record ?? '', /^v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=$/)
  for (const file of readdirSync(parts.directory)) {
    assert.equal(statSync(join(parts.directory, file)).mode & 0o777, 0o600, file)
  }
  await keys.close()
  const before = parts.said()
  const again = new DkimKeys(parts)
  assert.deepEqual(using(again), ['bj-rsa', 'bj-ed'])
  await again.start()
  assert.deepEqual(parts.said(), before)
  await again.close()
})

test('a selector that another node has is left to it', async (t) => {
  const other = { id: 'n2', name: 'bj', dkim: [{ selector: 'bj-rsa', record: 'x' }] } as unknown as NodeRecord
  const keys = new DkimKeys(world(t, [other]))
  await keys.start()
  assert.deepEqual(using(keys), ['bj-rsa2', 'bj-ed'])
  await keys.close()
})

test('new keys are used when the DNS shows them for every domain; old ones go when no letter can need them', async (t) => {
  const parts = world(t)
  const keys = new DkimKeys(parts)
  await keys.start()
  await keys.rotate()
  assert.deepEqual(states(keys), ['bj-rsa used', 'bj-ed used', 'bj-rsa2 new', 'bj-ed2 new'])
  assert.deepEqual(using(keys), ['bj-rsa', 'bj-ed'])
  assert.equal(parts.said().length, 4)
  await assert.rejects(keys.rotate(), (error) => isErrorCode(error, 'dkim-rotation-open'))
  parts.shown.add('bj-rsa2')
  await keys.look()
  assert.deepEqual(using(keys), ['bj-rsa', 'bj-ed'], 'one of two is not enough')
  parts.shown.add('bj-ed2')
  await keys.look()
  assert.deepEqual(states(keys), ['bj-rsa retired', 'bj-ed retired', 'bj-rsa2 used', 'bj-ed2 used'])
  await keys.close()
  const again = new DkimKeys(parts)
  assert.deepEqual(using(again), ['bj-rsa2', 'bj-ed2'])
  await again.start()
  await parts.clock.advance(dkimLimits.retiredMs - 60_000)
  assert.equal(parts.said().length, 4)
  await parts.clock.advance(dkimLimits.askMs + 120_000)
  assert.deepEqual(states(again), ['bj-rsa2 used', 'bj-ed2 used'])
  assert.deepEqual(
    parts.said().map(({ selector }) => selector),
    ['bj-rsa2', 'bj-ed2'],
  )
  assert.deepEqual(readdirSync(parts.directory).sort(), ['bj-ed2.pem', 'bj-rsa2.pem', 'keys.json'])
  await again.close()
})

test('keys that cannot be read are an error, not new keys', async (t) => {
  const parts = world(t)
  const keys = new DkimKeys(parts)
  await keys.start()
  await keys.close()
  writeFileSync(join(parts.directory, 'bj-rsa.pem'), 'no key')
  assert.throws(
    () => new DkimKeys(parts),
    (error) => isErrorCode(error, 'dkim-keys-unreadable'),
  )
})

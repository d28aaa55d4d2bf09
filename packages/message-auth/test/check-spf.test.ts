// What one thread remembers of SPF: that it serves the letters it is true for, and no others.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SpfCheck } from '@skein/filtering'
import { checkSpf, type SpfFacts } from '../src/check-spf.ts'
import { Kept } from '../src/kept.ts'

const facts: SpfFacts = {
  remoteAddress: '192.0.2.1',
  helo: '[192.0.2.1]',
  from: 'a@s.example',
  hostName: 'mx.test.com',
}

/** What each letter in turn is told, and how many questions it cost. */
async function inTurn(
  zone: Record<string, string>,
  letters: readonly Partial<SpfFacts>[],
  keptMs = 60_000,
): Promise<string[]> {
  const memory = new Kept<SpfCheck>(keptMs, 100)
  let asked = 0
  const resolver = async (name: string, type: string) => {
    asked++
    const record = zone[`${type} ${name}`]
    if (record === undefined) throw Object.assign(new Error(name), { code: zone[name] ?? 'ENOTFOUND' })
    return type === 'TXT' ? [[record]] : [record]
  }
  const told: string[] = []
  for (const letter of letters) {
    asked = 0
    const check = (await checkSpf({ ...facts, ...letter }, resolver, memory)).at(-1)
    told.push(`${check?.scope} ${check?.result} ${asked}`)
  }
  return told
}

const rows: readonly [string, Record<string, string>, readonly Partial<SpfFacts>[], readonly string[]][] = [
  [
    'one sender again, and another of his domain',
    { 'TXT s.example': 'v=spf1 ip4:192.0.2.1 -all' },
    [{}, {}, { from: 'b@S.example' }],
    ['mfrom pass 1', 'mfrom pass 0', 'mfrom pass 0'],
  ],
  [
    'another address, another domain',
    { 'TXT s.example': 'v=spf1 ip4:192.0.2.1 -all', 'TXT t.example': 'v=spf1 -all' },
    [{}, { remoteAddress: '192.0.2.2' }, { from: 'a@t.example' }],
    ['mfrom pass 1', 'mfrom fail 1', 'mfrom fail 1'],
  ],
  [
    'a record that asks for the HELO name',
    {
      'TXT s.example': 'v=spf1 exists:%{h}.x.example -all',
      'A [192.0.2.1].x.example': '127.0.0.2',
      'A one.x.example': '127.0.0.2',
    },
    [{ helo: 'one' }, { helo: 'one' }, { helo: 'two' }],
    ['mfrom pass 2', 'mfrom pass 0', 'mfrom fail 2'],
  ],
  [
    'a record that asks for the local part, here and in what it includes',
    {
      'TXT s.example': 'v=spf1 include:i.example -all',
      'TXT i.example': 'v=spf1 exists:%{L}.x.example -all',
      'A a.x.example': '127.0.0.2',
    },
    [{}, { from: 'b@s.example' }, {}],
    ['mfrom pass 3', 'mfrom fail 3', 'mfrom pass 3'],
  ],
  ['no answer is not remembered', { 's.example': 'ETIMEOUT' }, [{}, {}], ['mfrom temperror 1', 'mfrom temperror 1']],
  [
    'HELO is another identity than the sender',
    { 'TXT s.example': 'v=spf1 ip4:192.0.2.1 -all' },
    [{ from: '', helo: 's.example' }, {}],
    ['helo pass 1', 'mfrom pass 1'],
  ],
]

for (const [name, zone, letters, expected] of rows) {
  test(name, async () => assert.deepEqual(await inTurn(zone, letters), expected))
}

test('for its time only', async () => {
  const zone = { 'TXT s.example': 'v=spf1 -all' }
  assert.deepEqual(await inTurn(zone, [{}, {}], 0), ['mfrom fail 1', 'mfrom fail 1'])
})

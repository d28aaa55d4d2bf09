// Results that are kept up to date: what the client puts together from ADDTO and REMOVEFROM is what a search would say.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSeededRandom } from '@skein/testkit'
import { TestClient } from './client.ts'
import { startHarness } from './harness.ts'

function expand(set: string): number[] {
  return set.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split(':').map(Number)
    return Array.from({ length: last - first + 1 }, (_, at) => first + at)
  })
}

/** What the client holds, by the rules of RFC 5267 §4.3.3 and §4.3.4. */
function apply(order: number[], kind: string, pairs: string): void {
  const words = pairs.split(' ')
  for (let at = 0; at < words.length; at += 2) {
    const [position, uids] = [Number(words[at]), expand(words[at + 1] ?? '')]
    if (kind === 'ADDTO') {
      if (position === 0) order.push(...uids)
      else order.splice(position - 1, 0, ...uids)
    } else if (position === 0) {
      for (const uid of uids) order.splice(order.indexOf(uid), 1)
    } else assert.deepEqual(order.splice(position - 1, uids.length), uids)
  }
}

for (const seed of [1, 2, 3, 4]) {
  test(`results that are followed stay what a search would say, seed ${seed}`, async () => {
    const random = createSeededRandom(seed)
    const pick = (choices: readonly string[]) => choices[Math.floor(random.next() * choices.length)] as string
    const letter = () => `Subject: ${pick(['a', 'b', 'c', 'Re: a', ''])}\r\nFrom: ${pick(['x', 'y'])}@t.test\r\n\r\n.`
    await using harness = await startHarness()
    for (let count = 0; count < 12; count++) await harness.deliver('INBOX', letter())
    await using client = await TestClient.selected(harness.port)
    await using other = await TestClient.selected(harness.port)
    const searches = [
      'UID SORT RETURN (UPDATE ALL) (SUBJECT REVERSE FROM) UTF-8 UNFLAGGED',
      'UID SEARCH RETURN (UPDATE ALL) UNFLAGGED',
    ]
    const orders: number[][] = [[], []]
    const take = (lines: readonly string[]) => {
      for (const line of lines) {
        const match = /^\* ESEARCH \(TAG "t(\d+)"\) UID (ADDTO|REMOVEFROM) \((.*)\)$/.exec(line)
        if (match !== null) apply(orders[Number(match[1]) - 2] as number[], match[2] as string, match[3] as string)
      }
    }
    for (const [at, search] of searches.entries()) {
      const { untagged } = await client.run(search)
      const all = / ALL (\S+)$/.exec(untagged.find((line) => line.startsWith('* ESEARCH')) ?? '')?.[1]
      if (all !== undefined) (orders[at] as number[]).push(...expand(all))
    }
    for (let step = 0; step < 120; step++) {
      const by = pick(['client', 'other']) === 'client' ? client : other
      const uid = 1 + Math.floor(random.next() * (12 + step / 2))
      const what = pick(['store', 'store', 'store', 'deliver', 'expunge', 'noop'])
      if (what === 'deliver')
        await harness.deliver('INBOX', letter(), pick(['', '\\Flagged']) === '' ? [] : ['\\Flagged'])
      const command =
        what === 'store'
          ? `UID STORE ${uid}:${uid + 3} ${pick(['+', '-'])}FLAGS.SILENT (\\Flagged)`
          : what === 'expunge'
            ? `UID MOVE ${uid} Archive`
            : 'NOOP'
      const { untagged } = await by.run(command)
      if (by === client) take(untagged)
    }
    for (let pass = 0; pass < 2; pass++) take((await client.run('NOOP')).untagged)
    for (const [at, search] of searches.entries()) {
      const { untagged } = await client.run(search.replace('UPDATE ', ''))
      const all = / ALL (\S+)$/.exec(untagged.find((line) => line.startsWith('* ESEARCH')) ?? '')?.[1]
      const told = at === 0 ? orders[0] : orders[1]?.toSorted((a, b) => a - b)
      assert.deepEqual(told, all === undefined ? [] : expand(all))
    }
  })
}

// Look-ups in the user-to-node map of a stopped node's data directory, by the code and from the files that the daemon uses.
// Prints one JSON line: look-ups a second spread over all users, of the few that are in use, and of addresses that nobody has.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSigner } from '@skein/mesh'
import { createLedger } from '@skein/replication'
import { silentLogger, systemClock, systemRandom } from '@skein/runtime'
import { Database, createLedgerStore } from '@skein/storage'
import { numberedAddress } from './targets.ts'

/** Addresses asked for: made before the clock runs. */
const sampleSize = 200_000
/** Users who get mail again and again: what the map's cache is for. */
const inUseCount = 10_000

const data = process.argv[2] as string
const database = await Database.open(join(data, 'db'))
const ledger = await createLedger({
  store: createLedgerStore(database),
  signer: createSigner(new Uint8Array(readFileSync(join(data, 'node.key')))),
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
})
const { directory } = ledger
const entries = directory.count()
// A stride that is prime to every size visits all entries in an order that follows none of the map's own.
const sample = Array.from({ length: sampleSize }, (_, index) => numberedAddress((index * 7_919) % entries))
const inUse = Array.from({ length: sampleSize }, (_, index) => sample[index % inUseCount] as string)
const unknown = sample.map((address) => `no-${address}`)

function perSecond(addresses: readonly string[], known: boolean): number {
  const started = performance.now()
  let found = 0
  for (const address of addresses) if (directory.lookup(address)) found += 1
  const seconds = (performance.now() - started) / 1000
  if (found !== (known ? addresses.length : 0)) throw new Error(`${found} of ${addresses.length} addresses were found`)
  return addresses.length / seconds
}

const spreadPerSecond = perSecond(sample, true)
perSecond(inUse.slice(0, inUseCount), true)
const inUsePerSecond = perSecond(inUse, true)
const missesPerSecond = perSecond(unknown, false)
process.stdout.write(`${JSON.stringify({ entries, spreadPerSecond, inUsePerSecond, missesPerSecond })}\n`)
await ledger.close()
await database.close()

// Addresses outside that letters came back from, in level: one JSON record each under `o!<address>`; the first byte is the
// record's version. What can't be read is left out: it is experience, not mail.
import type { DeadAddress, DeadAddressStore } from '@skein/delivery'
import type { Database } from './database.ts'

const recordVersion = 1

export function createDeadAddressStore(database: Database): DeadAddressStore {
  return {
    put(record) {
      const value = Buffer.concat([Buffer.of(recordVersion), Buffer.from(JSON.stringify(record))])
      return database.write([{ type: 'put', key: `o!${record.address}`, value }])
    },
    remove: (address) => database.write([{ type: 'del', key: `o!${address}` }]),
    async *list() {
      for await (const [, bytes] of database.prefix('o!')) {
        if (bytes[0] === recordVersion) yield JSON.parse(Buffer.from(bytes.subarray(1)).toString()) as DeadAddress
      }
    },
  }
}

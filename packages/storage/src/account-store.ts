// Accounts in level, one JSON record each under `u!<accountId>`; the first byte is the record's version.
import type { Account, AccountStore } from '@skein/accounts'
import { SkeinError } from '@skein/runtime'
import type { Database } from './database.ts'

const recordVersion = 1

function encodeAccount(account: Account): Uint8Array {
  return Buffer.concat([Buffer.of(recordVersion), Buffer.from(JSON.stringify(account))])
}

function decodeAccount(bytes: Uint8Array): Account {
  if (bytes[0] !== recordVersion) {
    throw new SkeinError(
      'record-version-unknown',
      'permanent',
      `account record version ${bytes[0]} was written by a newer Skein`,
    )
  }
  return JSON.parse(Buffer.from(bytes.subarray(1)).toString()) as Account
}

export function createAccountStore(database: Database): AccountStore {
  return {
    async get(id) {
      const bytes = await database.get(`u!${id}`)
      return bytes ? decodeAccount(bytes) : undefined
    },
    put: (account) => database.write([{ type: 'put', key: `u!${account.id}`, value: encodeAccount(account) }]),
    delete: (id) => database.write([{ type: 'del', key: `u!${id}` }]),
    async *list() {
      for await (const [, bytes] of database.prefix('u!')) yield decodeAccount(bytes)
    },
  }
}

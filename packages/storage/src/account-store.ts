// Accounts in level, one JSON record each under `u!<accountId>`; the first byte is the record's version.
import type { Account, AccountStore } from '@skein/accounts'
import { SerialByKey, SkeinError } from '@skein/runtime'
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
  const inTurn = new SerialByKey<string>()
  async function get(id: string): Promise<Account | undefined> {
    const bytes = await database.get(`u!${id}`)
    return bytes ? decodeAccount(bytes) : undefined
  }
  function put(account: Account): Promise<void> {
    return database.write([{ type: 'put', key: `u!${account.id}`, value: encodeAccount(account) }])
  }
  return {
    get,
    put: (account) => inTurn.run(account.id, () => put(account)),
    update: (id, change) =>
      inTurn.run(id, async () => {
        const changed = change(await get(id))
        if (changed) await put(changed)
      }),
    delete: (id) => inTurn.run(id, () => database.write([{ type: 'del', key: `u!${id}` }])),
    async *list() {
      for await (const [, bytes] of database.prefix('u!')) yield decodeAccount(bytes)
    },
  }
}

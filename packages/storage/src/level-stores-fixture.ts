// For the tests of stores that are one part of a database: each store in a database of its own, closed and removed at the end.
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { Database } from './database.ts'

export interface LevelStores<Store> {
  /** Empty, or what lies in that directory. */
  open(directory?: string): Promise<Store>
  /** What a process that was killed leaves: a copy of the files as they lie on the disk while the store is open. */
  crash(store: Store): Promise<Store>
  /** Closed in good order, and opened again. */
  reopen(store: Store): Promise<Store>
  databaseOf(store: Store): Database
}

export function levelStores<Store>(name: string, create: (database: Database) => Store): LevelStores<Store> {
  const opened = new Map<Store, { database: Database; directory: string }>()
  const directories = new Set<string>()
  const newDirectory = () => mkdtemp(join(tmpdir(), `skein-${name}-`))
  const placeOf = (store: Store) => {
    const place = opened.get(store)
    if (!place) throw new Error('this store was not opened here')
    return place
  }

  async function open(given?: string): Promise<Store> {
    const directory = given ?? (await newDirectory())
    directories.add(directory)
    const database = await Database.open(directory)
    const store = create(database)
    opened.set(store, { database, directory })
    return store
  }

  after(async () => {
    for (const { database } of opened.values()) await database.close()
    for (const directory of directories) await rm(directory, { recursive: true, force: true })
  })

  return {
    open,
    async crash(store) {
      const copy = await newDirectory()
      await cp(placeOf(store).directory, copy, { recursive: true, filter: (path) => !path.endsWith('LOCK') })
      return open(copy)
    },
    async reopen(store) {
      const { database, directory } = placeOf(store)
      await database.close()
      opened.delete(store)
      return open(directory)
    },
    databaseOf: (store) => placeOf(store).database,
  }
}

// `skein check`: reads everything that is stored. On a running node through it; on a stopped one straight from the directory.
import { silentLogger, SkeinError, isErrorCode, systemClock as clock } from '@skein/runtime'
import { Database, type StoreCheckReport, checkStore, openMessageLog } from '@skein/storage'
import type { DataDirectory } from './data-directory.ts'

/** @throws SkeinError `stop-first` when asked to repair under a running node; `not-initialised` */
export async function checkNode(
  paths: DataDirectory,
  repair: boolean,
  ask: (op: string, params: unknown) => Promise<unknown>,
): Promise<StoreCheckReport> {
  try {
    const report = await ask('check', {})
    if (repair) {
      throw new SkeinError('stop-first', 'refused', 'the node is running: stop it before repairing what it has open')
    }
    return report as StoreCheckReport
  } catch (error) {
    if (!isErrorCode(error, 'node-not-running')) throw error
  }
  const database = await Database.open(paths.database)
  try {
    const log = await openMessageLog(paths.messages, { clock, logger: silentLogger })
    try {
      return await checkStore({ database, log, clock }, { repair })
    } finally {
      await log.close()
    }
  } finally {
    await database.close()
  }
}

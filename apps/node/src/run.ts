// `skein run`: the daemon in the foreground, from the lock to the last flush.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { SkeinError, createLogger, isErrorCode } from '@skein/runtime'
import { readConfig } from './config.ts'
import type { Listener } from './control/status-view.ts'
import { type RunningNode, startDaemon } from './daemon.ts'
import type { DataDirectory } from './data-directory.ts'
import { releaseStartupMemory } from './startup-memory.ts'

/** SIGTERM must be over within 10 s; this much of it is for sessions and deliveries under way. */
const drainMs = 6_000
const stopDeadlineMs = 9_500

export interface ReadyLine {
  event: 'ready'
  name: string
  nodeId: string
  listeners: Listener[]
}

/** Resolves when the node has stopped. */
export async function runNode(paths: DataDirectory, onReady: (ready: ReadyLine) => void): Promise<void> {
  const config = readConfig(paths.config)
  const logger = createLogger(config['log-level'])
  // Whatever goes wrong where nobody waits for it must not take the mail of 200 colleagues down; but it must be seen.
  process.on('unhandledRejection', (reason) => {
    logger.error({ error: reason instanceof Error ? reason.stack : String(reason) }, 'an unhandled rejection')
  })
  let node: RunningNode
  try {
    node = await startDaemon(paths, config, logger)
  } catch (error) {
    if (!isErrorCode(error, 'store-locked')) throw error
    throw new SkeinError(
      'already-running',
      'refused',
      `a node is already running on ${paths.root}${holder(paths)}`,
      error,
    )
  }
  // The database's own lock is what keeps a second node out; this file says whose it is.
  writeFileSync(paths.lock, `${process.pid}\n`, { mode: 0o600 })
  const stopped = new Promise<void>((resolve) => {
    let stopping = false
    const stop = (signal: string) => {
      if (stopping) return
      stopping = true
      logger.info({ signal }, 'stopping')
      const late = setTimeout(() => {
        logger.error({}, 'stopping took too long; what was acknowledged is on disk')
        process.exit(1)
      }, stopDeadlineMs)
      void node.stop(drainMs).then(() => {
        clearTimeout(late)
        resolve()
      })
    }
    process.on('SIGTERM', () => stop('SIGTERM'))
    process.on('SIGINT', () => stop('SIGINT'))
  })
  process.on('SIGHUP', () => {
    try {
      node.reloadTls()
      logger.info({}, 'the certificate was read again')
    } catch (error) {
      logger.error({ error: String(error) }, 'the certificate could not be read again; the old one stays in use')
    }
  })
  const { name, nodeId, listeners } = node
  onReady({ event: 'ready', name, nodeId, listeners })
  releaseStartupMemory()
  await stopped
  rmSync(paths.lock, { force: true })
  logger.info({}, 'stopped')
  // Nothing is left to do; handles of libraries must not keep the process.
  process.exit(0)
}

function holder(paths: DataDirectory): string {
  try {
    return ` (process ${readFileSync(paths.lock, 'utf8').trim()})`
  } catch {
    return ''
  }
}

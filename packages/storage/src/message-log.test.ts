import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageLogCompliance } from '@skein/mailboxes/compliance'
import { silentLogger, systemClock } from '@skein/runtime'
import { openMessageLog, type MessageLogSettings } from './message-log.ts'

function compliance(name: string, settings: MessageLogSettings): void {
  messageLogCompliance(name, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'skein-log-'))
    const open = () => openMessageLog(directory, { clock: systemClock, logger: silentLogger }, settings)
    let log = await open()
    return {
      log,
      async reopen() {
        await log.close()
        log = await open()
        return log
      },
      async close() {
        await log.close()
        await rm(directory, { recursive: true })
      },
    }
  })
}

compliance('segments on disk', {})
compliance('read from disk', { recentBytes: 0 })
compliance('small segments, few open files', { segmentBytes: 300_000, openFilesMax: 2, recentBytes: 0 })

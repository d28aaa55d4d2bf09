// libp2p logs through `debug`; here its errors go to the node's log at debug level and its chatter nowhere.
import type { ComponentLogger, Logger as Libp2pLogger } from '@libp2p/interface'
import type { Logger } from '@skein/runtime'

export function libp2pLog(logger: Logger): ComponentLogger {
  return { forComponent: (name) => scope(logger, name) }
}

function scope(logger: Logger, name: string): Libp2pLogger {
  const log = Object.assign(() => {}, {
    enabled: false,
    trace: () => {},
    error: (text: unknown, ...details: unknown[]) => {
      const cause = details.find((detail) => detail instanceof Error)
      logger.debug({ scope: name, err: cause }, `libp2p: ${String(text)}`)
    },
    // Scopes name connections and streams by the thousand: they all share this one.
    newScope: () => log,
  })
  return log
}

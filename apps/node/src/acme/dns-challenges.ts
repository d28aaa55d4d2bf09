// DNS-01 (RFC 8555 §8.4): a TXT record put into the zone by dynamic update, seen at the server, and taken out again.
import { createHash } from 'node:crypto'
import type { DynamicUpdates, ZoneQuestions } from '@skein/dns'
import { type Clock, type Logger, SkeinError, sleep } from '@skein/runtime'
import { acmeLimits } from './limits.ts'
import type { Prover } from './order.ts'

export interface DnsChallengeComponents {
  updates: DynamicUpdates
  zones: ZoneQuestions
  clock: Clock
  logger: Logger
}

/** @param waitMs for servers that copy the zone from the one that takes updates */
export function createDnsChallenges(
  { updates, zones, clock, logger }: DnsChallengeComponents,
  { waitMs }: { waitMs: number },
): Prover {
  return {
    type: 'dns-01',
    async present({ name: identifier, keyAuthorization }) {
      const name = `_acme-challenge.${identifier}`
      const text = createHash('sha256').update(keyAuthorization).digest('base64url')
      const zone = await zones.zoneOf(name)
      const record = { name, text, ttlSeconds: acmeLimits.challengeTtlSeconds }
      await updates.change(zone, [{ kind: 'add', ...record }])
      const takeBack = async () => {
        try {
          await updates.change(zone, [{ kind: 'delete', ...record }])
        } catch (error) {
          logger.warn({ name, error: String(error) }, 'the record that proved a name could not be taken out again')
        }
      }
      if (!(await zones.texts(name)).includes(text)) {
        await takeBack()
        throw new SkeinError('dns-failed', 'temporary', `the server took ${name} and does not give it out`)
      }
      if (waitMs > 0) await sleep(clock, waitMs)
      return takeBack
    },
  }
}

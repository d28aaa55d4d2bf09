// Changes TXT records at the server that keeps a zone (RFC 2136), for whoever must prove that a name is theirs (ACME's DNS-01).
// Promises: resolves when the server has said, under its signature, that the change is made.
import { type Clock, type Random, SkeinError } from '@skein/runtime'
import { type ServerAddress, exchangeOverTcp } from './tcp-message.ts'
import { type TextChange, type TsigKey, decodeUpdateReply, encodeUpdate } from './update-message.ts'

export interface UpdateComponents {
  clock: Clock
  random: Random
}

export interface UpdateSettings {
  server: ServerAddress
  key: TsigKey
  timeoutMs: number
}

export interface DynamicUpdates {
  /** All of them or none. @throws SkeinError `dns-update-refused`, `dns-failed` (temporary) */
  change(zone: string, changes: readonly TextChange[]): Promise<void>
}

const reasons: Record<string, string> = {
  REFUSED: 'this key may not change these names there',
  NOTAUTH: 'it does not keep that zone, or does not know the key',
  NOTZONE: 'the names are not in that zone',
  BADSIG: 'the secret of the key is another one there',
  BADKEY: 'it knows no key of that name and algorithm',
  BADTIME: 'its clock and ours are more than five minutes apart',
}

export function createDynamicUpdates({ clock, random }: UpdateComponents, settings: UpdateSettings): DynamicUpdates {
  const { server, key, timeoutMs } = settings
  return {
    async change(zone, changes) {
      const id = Buffer.from(random.bytes(2)).readUInt16BE(0)
      const request = encodeUpdate(zone, changes, key, { id, nowSeconds: Math.floor(clock.nowMs() / 1000) })
      const bytes = await exchangeOverTcp(server, request.bytes, { clock, timeoutMs })
      const reply = decodeUpdateReply(bytes, id, key, request.mac)
      const place = `${server.address} port ${server.port}`
      if (reply === undefined) {
        throw new SkeinError('dns-failed', 'temporary', `${place} gave no answer to a dynamic update`)
      }
      if (reply.code !== 'NOERROR') {
        const why = reasons[reply.code] === undefined ? '' : `: ${reasons[reply.code]}`
        throw new SkeinError(
          'dns-update-refused',
          'temporary',
          `${place} does not change the zone ${zone} (${reply.code})${why}`,
        )
      }
      if (!reply.isSigned) {
        throw new SkeinError('dns-failed', 'temporary', `the answer of ${place} is not signed with the key ${key.name}`)
      }
    },
  }
}

// Steps with which transcripts log in by SCRAM; each message is base64, as all protocols send it.
import type { TranscriptContext } from './transcript.ts'
import { type ScramClient, createScramClient } from './scram-client.ts'

const decode = (context: TranscriptContext, name: string) =>
  Buffer.from(context.values.get(name) ?? '', 'base64').toString()

/** One set for each run of a transcript. */
export function scramSteps() {
  let client: ScramClient | undefined
  return {
    /** `@scram-first C NAME PASSWORD [GS2]`: makes `{{first}}`; `_` in the password stands for a space. */
    async 'scram-first'(context: TranscriptContext, on = 'C', name = '', password = '', gs2Header = 'n,,') {
      const binding = gs2Header.startsWith('p=') ? (await context.connection(on)).channelBinding() : Buffer.alloc(0)
      client = createScramClient({ name, password: password.replaceAll('_', ' '), gs2Header, binding })
      context.values.set('first', Buffer.from(client.first).toString('base64'))
      for (const captured of ['challenge', 'verdict']) context.values.delete(captured)
    },
    /** Makes `{{final}}` out of the `{{challenge}}` that was captured. */
    'scram-final'(context: TranscriptContext) {
      const final = client?.final(decode(context, 'challenge')) ?? ''
      context.values.set('final', Buffer.from(final).toString('base64'))
    },
    /** Fails where the `{{verdict}}` that was captured does not prove that the server knows the password. */
    'scram-verify'(context: TranscriptContext) {
      if (client?.isServer(decode(context, 'verdict')) !== true) throw new Error('this is not the server')
    },
  }
}

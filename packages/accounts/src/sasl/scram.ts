// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677, RFC 9266): the dialogue at the door.
// Promises: the proof is checked where the verifier lives; what binds the log-in to this connection is checked here.
import { timingSafeEqual } from 'node:crypto'
import type { Authenticator } from '../ports.ts'
import { type Conversation, MalformedResponse, type SaslFacts, type SaslMechanism, textOf } from './exchange.ts'
import { isOwnName } from './own-name.ts'
import { type ClientFinal, type ClientFirst, nonceOf, parseClientFinal, parseClientFirst } from './scram-messages.ts'

const nothing = new Uint8Array(0)

/** RFC 5802 §6: the channel binding's data that the client must have seen. @throws MalformedResponse */
function bindingData(first: ClientFirst, facts: SaslFacts, isPlus: boolean): Uint8Array | 'downgraded' {
  const { binding } = first
  if (isPlus !== (binding.kind === 'p')) throw new MalformedResponse('Channel binding belongs to the -PLUS mechanism')
  if (binding.kind === 'p') {
    const data = facts.channelBindings?.data(binding.type)
    if (data === undefined) throw new MalformedResponse('This channel binding is not offered')
    return data
  }
  // The client could have had -PLUS: somebody took it off our list.
  return binding.kind === 'y' && facts.channelBindings ? 'downgraded' : nothing
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

async function* converse(
  authenticator: Authenticator,
  facts: SaslFacts,
  initial: Uint8Array | undefined,
  isPlus: boolean,
): Conversation {
  const first = parseClientFirst(textOf(initial ?? (yield nothing)))
  const data = bindingData(first, facts, isPlus)
  if (data === 'downgraded' || !authenticator.scram) return { kind: 'refused' }
  const { remoteAddress, protocol } = facts
  const begun = await authenticator.scram.begin({
    name: first.name,
    clientFirstBare: first.bare,
    clientNonce: first.nonce,
    remoteAddress,
    protocol,
  })
  if (begun.kind !== 'challenge') return begun
  let isFinished = false
  let final: ClientFinal
  try {
    final = parseClientFinal(textOf(yield Buffer.from(begun.serverFirst)))
    const expected = Buffer.concat([Buffer.from(first.gs2Header), data])
    // RFC 5802 §5.1: the header that we saw, and the channel that we are on.
    if (!sameBytes(final.binding, expected)) return { kind: 'refused' }
    if (final.nonce !== nonceOf(begun.serverFirst)) return { kind: 'refused' }
    isFinished = true
  } finally {
    if (!isFinished) begun.abandon()
  }
  const { outcome, serverSignature } = await begun.finish(final.withoutProof, final.proof)
  if (outcome.kind !== 'ok' && outcome.kind !== 'elsewhere') return outcome
  const forItself = first.authorizationId === undefined || isOwnName(first.authorizationId, first.name, outcome.account)
  if (!forItself) return { kind: 'not-authorized' }
  // RFC 4422 §5.2: none of our protocols carries data with its success, so it is a challenge with an empty response.
  const last = yield Buffer.from(`v=${Buffer.from(serverSignature).toString('base64')}`)
  if (last.length > 0) throw new MalformedResponse('The last response of SCRAM is empty')
  return outcome
}

export const scramSha256: SaslMechanism = {
  name: 'SCRAM-SHA-256',
  isOffered: (authenticator) => authenticator.scram !== undefined,
  converse: (authenticator, facts, initial) => converse(authenticator, facts, initial, false),
}

export const scramSha256Plus: SaslMechanism = {
  name: 'SCRAM-SHA-256-PLUS',
  isOffered: (authenticator, { channelBindings }) => authenticator.scram !== undefined && channelBindings !== undefined,
  converse: (authenticator, facts, initial) => converse(authenticator, facts, initial, true),
}

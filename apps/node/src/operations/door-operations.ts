// rule.*: whom every node's door always lets in, or never. ban.*: whom it sends away for a while.
import { canonicalSubject } from '@skein/filtering'
import { SkeinError } from '@skein/runtime'
import { z } from 'zod'
import { type Operation, nameOfNode, operation } from './operation.ts'

const list = z.enum(['block', 'allow'])

/** @throws SkeinError `bad-door-rule` */
function subjectGiven(text: string): string {
  const subject = canonicalSubject(text)
  if (subject === undefined) {
    throw new SkeinError(
      'bad-door-rule',
      'refused',
      `"${text}" is no IP address, network (192.0.2.0/24), domain or sender’s address`,
    )
  }
  return subject
}

export const doorOperations: Operation[] = [
  operation({
    name: 'rule.add',
    params: z.strictObject({
      list,
      subject: z.string().max(320),
      reason: z.string().max(200).default(''),
      ttlMs: z
        .int()
        .min(1)
        .max(10 * 365 * 86_400_000)
        .optional(),
    }),
    fromPeers: false,
    async run({ ledger, clock }, { list: chosen, subject: text, reason, ttlMs }) {
      const untilMs = ttlMs === undefined ? null : clock.nowMs() + ttlMs
      const rule = { subject: subjectGiven(text), list: chosen, reason: reason.replace(/\s+/g, ' ').trim(), untilMs }
      await ledger.setDoorRule(rule)
      return rule
    },
  }),
  operation({
    name: 'rule.list',
    params: z.strictObject({ list }),
    fromPeers: false,
    async run({ ledger, clock }, { list: chosen }) {
      const nowMs = clock.nowMs()
      return ledger
        .doorRules()
        .filter((rule) => rule.list === chosen && (rule.untilMs === null || rule.untilMs > nowMs))
    },
  }),
  operation({
    name: 'rule.remove',
    params: z.strictObject({ list, subject: z.string().max(320) }),
    fromPeers: false,
    async run({ ledger }, { list: chosen, subject: text }) {
      const subject = subjectGiven(text)
      if (!ledger.doorRules().some((rule) => rule.subject === subject && rule.list === chosen)) {
        throw new SkeinError('no-such-door-rule', 'refused', `${subject} is not on the ${chosen} list`)
      }
      await ledger.removeDoorRule(subject)
      return { subject }
    },
  }),
  operation({
    name: 'ban.list',
    params: z.strictObject({}),
    fromPeers: false,
    async run(parts) {
      return parts.doorkeeper.bans().map((ban) => ({ ...ban, by: nameOfNode(parts, ban.by) }))
    },
  }),
  operation({
    name: 'ban.lift',
    params: z.strictObject({ address: z.string().max(100) }),
    fromPeers: false,
    async run({ doorkeeper }, { address }) {
      if (!doorkeeper.pardon(address)) throw new SkeinError('no-such-ban', 'refused', `${address} is not banned`)
      return { address }
    },
  }),
]

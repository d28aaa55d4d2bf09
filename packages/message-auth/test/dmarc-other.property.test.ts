// DMARC as we evaluate it against mailauth's evaluation of the same letters and records: two readings of RFC 9989.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { evaluateDmarc } from '@skein/filtering'
import mailauth from 'mailauth'
import { answerQuestion } from '../src/dns-questions.ts'
import type { QuestionType } from '../src/requests.ts'
import { ZoneResolver, type Zone } from './zone.ts'

const label = fc.constantFrom('a', 'b', 'x', 'mail')
const name = fc.array(label, { minLength: 1, maxLength: 9 }).map((labels) => [...labels, 'example'].join('.'))
const policy = fc.constantFrom('none', 'quarantine', 'reject', 'deny')
const tag = fc.oneof(
  policy.map((it) => `p=${it}`),
  policy.map((it) => `sp=${it}`),
  policy.map((it) => `np=${it}`),
  fc.constantFrom(
    'psd=y',
    'psd=n',
    'psd=u',
    'psd=Y',
    't=y',
    't=n',
    'adkim=s',
    'aspf=s',
    'adkim=r',
    'rua=mailto:x@y.example',
    'pct=0',
    'x=1',
    '',
  ),
)
const record = fc
  .array(tag, { maxLength: 5 })
  .map((tags) => ['v=DMARC1', ...new Map(tags.map((it) => [it.split('=')[0], it])).values()].join('; '))
const zone: fc.Arbitrary<Zone> = fc
  .array(fc.tuple(name, fc.oneof({ weight: 9, arbitrary: record }, { weight: 1, arbitrary: fc.constant('hello') })), {
    maxLength: 8,
  })
  .map((records) => Object.fromEntries(records.map(([at, text]) => [`TXT _dmarc.${at}`, text])))

test('both say the same of any letter', async () => {
  await fc.assert(
    fc.asyncProperty(
      zone,
      name,
      fc.array(name, { maxLength: 3 }),
      fc.option(name),
      async (records, from, signers, sender) => {
        const dns = new ZoneResolver(records, { 'A example': '192.0.2.1' })
        const ours = await evaluateDmarc(dns, {
          domain: from,
          spf: sender === null ? [] : [{ scope: 'mfrom', domain: sender, result: 'pass', reason: '' }],
          dkim: signers.map((domain) => ({ ...signature, domain })),
        })
        const theirs = (await mailauth.dmarc({
          headerFrom: `x@${from}`,
          spfDomains: sender === null ? [] : [sender],
          dkimDomains: signers.map((domain) => ({ id: domain, domain, aligned: false as never, underSized: 0 })),
          strict: true,
          resolver: async (host: string, type: string) => {
            const answer = await answerQuestion(dns, type as QuestionType, host)
            if ('code' in answer) throw Object.assign(new Error(answer.code), { code: answer.code })
            return answer.records as string[]
          },
        })) as { status: { result: string }; policy?: string; policyDomain?: string }
        assert.equal(ours.result, theirs.status.result)
        if (ours.policy) {
          assert.equal(ours.policy.domain, theirs.policyDomain)
          assert.equal(ours.disposition, theirs.policy)
        }
      },
    ),
    { numRuns: 3000 },
  )
})

const signature = { selector: 's', identity: '', algorithm: '', result: 'pass', reason: '', signatureHead: '' } as const

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { namesHost, parseStsPolicy, stsIdOf } from './sts-policy.ts'

describe('MTA-STS records and policies (RFC 8461)', () => {
  for (const [texts, id] of [
    [['v=STSv1; id=20160831085700Z;'], '20160831085700Z'],
    [['v=STSv1;id=1'], '1'],
    [['v=STSv1 ; x=y; id = a1 ;'], 'a1'],
    [['v=spf1 -all', 'v=STSv1; id=2;'], '2'],
    [['v=STSv1; id=1;', 'v=STSv1; id=2;'], null],
    [['v=STSv2; id=1;'], null],
    [['v=STSv10; id=1;'], null],
    [['v=STSv1'], null],
    [['v=STSv1; id=;'], null],
    [['v=STSv1; id=a b;'], null],
    [[`v=STSv1; id=${'a'.repeat(33)};`], null],
    [['id=1; v=STSv1'], null],
    [[], null],
  ] as [string[], string | null][]) {
    test(`record ${JSON.stringify(texts)}`, () => assert.equal(stsIdOf(texts), id))
  }

  const whole = 'version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmax_age: 604800\n'
  for (const [what, text, expected] of [
    ['LF', whole, ['enforce', ['mail.example.com', '*.example.net'], 604_800]],
    ['CR LF', whole.replaceAll('\n', '\r\n'), ['enforce', ['mail.example.com', '*.example.net'], 604_800]],
    [
      'other order, unknown fields',
      `x-new: 1\nmax_age:5\nmx:\ta.b. \nmode: testing\nversion: STSv1`,
      ['testing', ['a.b'], 5],
    ],
    ['a field twice', `${whole}mode: none\nmax_age: 1\n`, ['enforce', ['mail.example.com', '*.example.net'], 604_800]],
    ['none without hosts', 'version: STSv1\nmode: none\nmax_age: 60', ['none', [], 60]],
    [
      'too long a life',
      whole.replace('604800', '9999999999'),
      ['enforce', ['mail.example.com', '*.example.net'], 31_557_600],
    ],
    ['no hosts', 'version: STSv1\nmode: enforce\nmax_age: 60', null],
    ['no version', whole.replace('version: STSv1\n', ''), null],
    ['another version', whole.replace('STSv1', 'STSv2'), null],
    ['no life', whole.replace(/max_age.*/, ''), null],
    ['a life that is no number', whole.replace('604800', '-1'), null],
    ['another mode', whole.replace('enforce', 'maybe'), null],
    ['a wildcard inside', whole.replace('mail.example.com', 'mail.*.com'), null],
    ['a page of HTML', '<html><body>version: STSv1</body></html>', null],
    ['nothing', '', null],
  ] as [string, string, [string, string[], number] | null][]) {
    test(`policy: ${what}`, () => {
      const policy = parseStsPolicy(text)
      assert.deepEqual(policy && [policy.mode, policy.mx, policy.maxAgeSeconds], expected)
    })
  }

  for (const [pattern, host, is] of [
    ['mail.example.com', 'Mail.Example.com.', true],
    ['mail.example.com', 'amail.example.com', false],
    ['*.example.com', 'mail.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'a.b.example.com', false],
    ['*.example.com', 'mailexample.com', false],
  ] as const) {
    test(`${pattern} and ${host}`, () => {
      const policy = parseStsPolicy(`version: STSv1\nmode: enforce\nmx: ${pattern}\nmax_age: 1`)
      assert.ok(policy)
      assert.equal(namesHost(policy, host), is)
    })
  }

  test('no text makes the parsers throw, and what they take is within bounds', () => {
    const word = fc.constantFrom('version: STSv1', 'mode: enforce', 'mx: a.b', 'max_age: 9', 'mx: *', '\r', ':', '\0')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(word).map((lines) => lines.join('\n')),
        ),
        (text) => {
          stsIdOf([text])
          const policy = parseStsPolicy(text)
          if (policy) assert.ok(policy.maxAgeSeconds >= 0 && (policy.mode === 'none' || policy.mx.length > 0))
        },
      ),
    )
  })
})

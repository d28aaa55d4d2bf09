import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { escapeXml, xmlElement } from '@skein/mail'
import { textOfElement } from './xml.ts'

test('what is written is read back, whatever the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
      const document = `<a><b/>${xmlElement('EMailAddress', text)}</a>`
      assert.equal(
        textOfElement(document, 'EMailAddress'),
        escapeXml(text) === '' ? '' : decode(escapeXml(text)).trim(),
      )
    }),
  )
})

function decode(text: string): string {
  return text.replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
}

test('elements are found by local name, with prefix and attributes', () => {
  assert.equal(textOfElement('<x:EMailAddress a="1"> a&amp;b@c </x:EMailAddress>', 'EMailAddress'), 'a&b@c')
  assert.equal(textOfElement('<EMailAddress>&#x4e2d;&#25991;@c</EMailAddress>', 'EMailAddress'), '中文@c')
  assert.equal(textOfElement('<EMailAddress><b>x</b></EMailAddress>', 'EMailAddress'), undefined)
  assert.equal(textOfElement('<EMailAddressX>a</EMailAddressX>', 'EMailAddress'), undefined)
})

test('a document with entities of its own is not read', () => {
  const bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><EMailAddress>&a;@test.com</EMailAddress>'
  assert.equal(textOfElement(bomb, 'EMailAddress'), undefined)
  assert.equal(textOfElement('<EMailAddress>&a;@test.com</EMailAddress>', 'EMailAddress'), '&a;@test.com')
})

test('reading never throws and takes no long time', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (text) => void textOfElement(text, 'EMailAddress')),
  )
  const started = performance.now()
  for (const text of [
    '<EMailAddress '.repeat(5_000),
    '<EMailAddress>'.repeat(5_000),
    `<EMailAddress ${' '.repeat(64_000)}`,
  ]) {
    textOfElement(text, 'EMailAddress')
  }
  assert.ok(performance.now() - started < 1_000)
})

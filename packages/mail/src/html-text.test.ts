import assert from 'node:assert/strict'
import { test } from 'node:test'
import { htmlText } from './html-text.ts'

test('HTML gives the text that it shows', () => {
  const cases: [string, string][] = [
    ['', ''],
    ['plain', 'plain'],
    ['<p>one</p><p>two</p>', 'one\ntwo'],
    ['a<br>b<br/>c', 'a\nb\nc'],
    ['a <b>bold</b> word', 'a bold word'],
    ['in<b>si</b>de', 'inside'],
    ['  many \r\n\t blanks  ', 'many blanks'],
    ['1 &lt; 2 &amp;&amp; 3 &gt; 2', '1 < 2 && 3 > 2'],
    ['&#20320;&#x597D;&#0;&#xD800;', '你好\ufffd\ufffd'],
    ['&copy &unknown; &', '© &unknown; &'],
    ['a&nbsp;&nbsp;b', 'a b'],
    ['<style>p{}</style>x<script>if (a<b) "</p>"</script>y', 'xy'],
    ['<head><title>t</title></head><body>x</body>', 'x'],
    ['<head>never closed <p>x', 'never closed\nx'],
    ['x<!-- <p>hidden</p> -->y', 'xy'],
    ['x<!-- never closed', 'x'],
    ['<a title="a>b">link</a>', 'link'],
    ["<a title='>'>link</a>", 'link'],
    ['<a title="open>text', 'text'],
    ['a < b <3 c', 'a < b <3 c'],
    ['<script>never closed', ''],
    ['<STYLE>x</Style>y', 'y'],
    ['<p', ''],
    ['<!DOCTYPE html><?xml?>x', 'x'],
  ]
  for (const [html, expected] of cases) assert.equal(htmlText(html), expected, html)
})

test('it stops soon after the characters asked for', () => {
  const text = htmlText('<p>word</p>'.repeat(100_000), 100)
  assert.ok(text.length >= 100 && text.length < 200)
})

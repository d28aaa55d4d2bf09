import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runTranscript } from './transcript.ts'
import type { TranscriptConnection } from './transcript-connection.ts'

/** A server that answers each line with what `answer` says. */
function serverThat(answer: (line: string, name: string) => string | undefined) {
  return (name: string): TranscriptConnection => {
    let onData: (chunk: Uint8Array) => void = () => {}
    let onEnd = () => {}
    let buffered = ''
    return {
      write(bytes) {
        buffered += Buffer.from(bytes).toString()
        for (let end = buffered.indexOf('\r\n'); end !== -1; end = buffered.indexOf('\r\n')) {
          const said = answer(buffered.slice(0, end), name)
          buffered = buffered.slice(end + 2)
          if (said === undefined) onEnd()
          else onData(Buffer.from(said))
        }
      },
      listen(data, end) {
        onData = data
        onEnd = end
      },
      close() {},
    }
  }
}

const echo = serverThat((line, name) => (line === 'QUIT' ? undefined : `${name} ${line}\r\n`))
const run = (text: string, connect = echo) => runTranscript(`${text}\n`, connect, { lineTimeoutMs: 50 })

test('lines, captures, expressions and several connections', async () => {
  await run(
    [
      '# comment',
      'C: number 17',
      'S: C number {{n}}',
      'C2: again {{n}}',
      'S2: /C2 again (?<same>\\d+)/',
      'C: {{same}}',
    ].join('\n') + '\nS: C {/1\\d/}\nC: QUIT\n@closed C',
  )
})

test('lines in any order, lines left out, literals and raw bytes', async () => {
  const connect = serverThat((line) =>
    line === 'go' ? '* b\r\n* a\r\nx\r\ny\r\ndone {4}\r\nab\r\n.\r\n' : `got ${line}\r\n`,
  )
  await run('C: go\nS~: * a\nS~: * b\nS: ...\nS: done {{{size}}}\nS|ab\nS: .', connect)
  await run('C: send {{{size}}}\nS: got send {6}\nC|four\nS: got four\nC!: a\\x41\\*2{b}\\r\\n\nS: got aAbb', connect)
})

test('what does not hold is told with its line', async () => {
  await assert.rejects(run('C: a\nS: C b'), /line 2: wanted "C b"\n but got "C a"/)
  await assert.rejects(run('C: a\n\nS: C a\nS: more'), /line 4: a line was wanted/)
  await assert.rejects(run('C: a'), /the server said more/)
  await assert.rejects(run('C: QUIT\nS: x'), /line 2: .*the connection ended/)
  await assert.rejects(run('C: a\n@closed C'), /line 2: .*end of the connection/)
  await assert.rejects(run('C: {{unknown}}'), /nothing is known as/)
  await assert.rejects(run('X: y'), /line 1 is not understood/)
  await assert.rejects(run('@dance'), /no step @dance/)
  await assert.rejects(run('C: a\nS~: C b\nS~: C c'), /none of/)
})

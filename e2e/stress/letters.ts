// Letters whose bytes follow from their number, so that any body that is read back can be checked.
import assert from 'node:assert/strict'
import { createSeededRandom } from '@skein/testkit'

const cache = new Map<number, Buffer>()

export function stressLetter(serial: number): Buffer {
  let letter = cache.get(serial)
  if (letter === undefined) {
    const random = createSeededRandom(`letter/${serial}`)
    const lines = Array.from({ length: random.between(0, 60) }, () =>
      '雁字回时 '.repeat(random.between(0, 12)).trimEnd(),
    )
    const header = [
      `Serial: ${serial}`,
      `Subject: Letter ${serial}`,
      'From: wang@test.com',
      'Content-Type: text/plain; charset=utf-8',
    ]
    letter = Buffer.from([...header, '', ...lines, `end of ${serial}`, ''].join('\r\n'))
    cache.set(serial, letter)
  }
  return letter
}

/** Checks a whole body. A delivery may have put header fields before it. @returns the letter's number */
export function serialOf(body: Buffer): number {
  const start = body.indexOf('Serial: ')
  const serial = Number(
    /^Serial: (\d+)\r\n/.exec(body.subarray(start, start + 40).toString('latin1'))?.[1] ?? Number.NaN,
  )
  assert.ok(start >= 0 && Number.isInteger(serial), `a body without a number: ${body.subarray(0, 200).toString()}`)
  const letter = stressLetter(serial)
  assert.ok(body.subarray(start).equals(letter), `the bytes of letter ${serial} have changed`)
  return serial
}

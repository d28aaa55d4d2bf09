// The letters of the power-loss test: made from their number alone, so that every byte can be checked later.

export const powerLossAccounts = ['a', 'b', 'c'].map((letter) => letter.repeat(32))

export function powerLossLetter(number: number): Buffer {
  const length = number % 11 === 0 ? 70_000 + (number % 1000) : 500 + (number % 97) * 61
  const head = Buffer.from(`Message-ID: <${number}@power.test>\r\nSubject: letter ${number}\r\n\r\n`)
  const body = Buffer.alloc(length)
  for (let at = 0, value = number + 1; at < length; at++) {
    value = (Math.imul(value, 1103515245) + 12345) & 0x7fffffff
    body[at] = value >>> 16
  }
  return Buffer.concat([head, body])
}

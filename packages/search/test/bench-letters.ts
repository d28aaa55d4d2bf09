// Made letters for measuring: about 3 KB with the headers of the day, English by Zipf's law, a quarter Chinese.

let state = 12345
function chance(): number {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
  return state / 0x7fffffff
}

const syllables = 'ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo yu za tion ment ing er'.split(' ')
export const vocabulary = Array.from({ length: 60_000 }, (_, rank) => {
  let word = ''
  for (let left = 1 + (rank % 4); left >= 0; left--) word += syllables[Math.floor(chance() * syllables.length)]
  return word
})
const characters = Array.from({ length: 3000 }, (_, at) => String.fromCharCode(0x4e00 + at * 5))
/** Chinese words, most of two characters. */
export const han = Array.from({ length: 30_000 }, (_, rank) => {
  let word = ''
  for (let left = rank % 10 === 0 ? 1 : rank % 5 === 0 ? 3 : 2; left > 0; left--) {
    word += characters[Math.floor(characters.length ** chance()) - 1]
  }
  return word
})

const zipf = (size: number) => Math.min(size - 1, Math.floor(size ** chance()) - 1)
const word = () => vocabulary[zipf(vocabulary.length)] as string
const noise = (length: number) =>
  Array.from({ length }, () => 'ABCDEFGHabcdefghijklmnop0123456789+/'[Math.floor(chance() * 36)]).join('')

function sentence(chinese: boolean): string {
  const length = 8 + Math.floor(chance() * 10)
  if (chinese) return `${Array.from({ length }, () => han[zipf(han.length)]).join('')}，`
  return `${Array.from({ length }, word).join(' ')}. `
}

/** @param short without what servers add, and with a body of one sentence or two */
export function letterOf(number: number, short = false): Buffer {
  const chinese = number % 4 === 3
  const name = word()
  let body = ''
  while (body.length < (short ? 100 : chinese ? 600 : 1800)) body += sentence(chinese)
  const subject = chinese ? `=?utf-8?B?${Buffer.from(sentence(true)).toString('base64')}?=` : `${word()} ${word()}`
  const added = [
    `Received: from mx${number % 50}.example.com (mx${number % 50}.example.com [192.0.2.${number % 250}])`,
    ` by mail.test.com with ESMTPS id ${noise(12)}; Mon, 02 Mar 2026 10:00:${number % 60} +0000`,
    'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=mail;',
    ` bh=${noise(43)}=; b=${noise(340)}`,
    `Message-ID: <${noise(20)}.${number}@example.com>`,
  ]
  return Buffer.from(
    [
      ...(short ? [] : added),
      `From: ${name} <${name}${number % 500}@example.com>`,
      'To: Ann <ann@test.com>',
      `Subject: ${subject} number ${number}`,
      'Date: Mon, 02 Mar 2026 10:00:00 +0000',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: 8bit',
      '',
      `${body}\r\nThe letter with number ${number}.\r\n`,
    ].join('\r\n'),
  )
}

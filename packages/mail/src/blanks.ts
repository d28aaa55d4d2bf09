// White space of mail headers: ASCII only. `String.prototype.trim` and `\s` also take U+00A0, which in text that holds
// bytes as latin1 characters is the last byte of many a Chinese character.

function isBlank(code: number): boolean {
  return code === 32 || code === 9 || code === 13 || code === 10
}

export function trimBlanksEnd(text: string): string {
  let end = text.length
  while (end > 0 && isBlank(text.charCodeAt(end - 1))) end -= 1
  return end === text.length ? text : text.slice(0, end)
}

export function trimBlanks(text: string): string {
  let start = 0
  while (start < text.length && isBlank(text.charCodeAt(start))) start += 1
  return trimBlanksEnd(start === 0 ? text : text.slice(start))
}

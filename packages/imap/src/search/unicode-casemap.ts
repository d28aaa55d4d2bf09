// i;unicode-casemap (RFC 5051): texts that differ only in case or in the form of their characters become one.
// Sorting, threading and searching go by it (RFC 5255 §4.2, level 1).

const PLAIN = /^[\x00-\x7f]*$/

/** Simple title case where upper case is something else, or more than one character (UnicodeData.txt). */
function titleCase(character: string): string {
  const code = character.codePointAt(0) as number
  if (code >= 0x01c4 && code <= 0x01cc)
    return String.fromCodePoint(code <= 0x01c6 ? 0x01c5 : code <= 0x01c9 ? 0x01c8 : 0x01cb)
  if (code >= 0x01f1 && code <= 0x01f3) return '\u01f2'
  // Georgian has capitals, but no title case.
  if (code >= 0x10d0 && code <= 0x10ff) return character
  // Greek with iota written below.
  if (code >= 0x1f80 && code <= 0x1faf) return String.fromCodePoint(code | 8)
  if (code === 0x1fb3 || code === 0x1fc3 || code === 0x1ff3) return String.fromCodePoint(code + 9)
  const upper = character.toUpperCase()
  return upper.length === character.length ? upper : character
}

/** The text in the form in which it is looked for and compared. */
export function unicodeCasemap(text: string): string {
  if (PLAIN.test(text)) return text.toUpperCase()
  return text
    .replaceAll(/[^\x00-\x7f]/gu, titleCase)
    .replaceAll(/[a-z]+/g, (run) => run.toUpperCase())
    .normalize('NFKD')
}

/** The same as the bytes of its UTF-8, one character each: `<` then puts texts in the collation's order. */
export function collationKey(text: string): string {
  const mapped = unicodeCasemap(text)
  return PLAIN.test(mapped) ? mapped : Buffer.from(mapped, 'utf8').toString('latin1')
}

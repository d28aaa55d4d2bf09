// SASLprep (RFC 4013): one form for names and passwords that people see as the same.
// Deviation: NFKC of this Unicode version, not of 3.2; code points that were unassigned then are let through.

/** RFC 3454 table C.1.2, which includes U+200B. */
const spaces = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu
/** RFC 3454 table B.1. */
// oxlint-disable-next-line no-misleading-character-class
const nothing = /[\u00ad\u034f\u1806\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff]/gu
/** RFC 4013 §2.3: tables C.2.1, C.2.2, C.3, C.4, C.5, C.6, C.7, C.8 and C.9 of RFC 3454. */
// oxlint-disable-next-line no-control-regex
const prohibited =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u06dd\u070f\u180e\u2028\u2029\u2061-\u2063\u206a-\u206f\ufff9-\ufffd\u2ff0-\u2ffb\u200e\u200f\u202a-\u202e\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]|\u0340|\u0341|\p{Co}|\p{Cs}|\p{Noncharacter_Code_Point}/u
const rightToLeft = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u
const leftToRight = /[^\P{L}\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u
const ascii = /^[ -~]*$/

/** Undefined where the text may not be used at all. */
export function saslprep(text: string): string | undefined {
  if (ascii.test(text)) return text
  const prepared = text.replace(spaces, ' ').replace(nothing, '').normalize('NFKC')
  if (prohibited.test(prepared)) return undefined
  if (rightToLeft.test(prepared)) {
    // RFC 3454 §6: one direction, and it begins and ends the text.
    const characters = Array.from(prepared)
    const ends = [characters[0] ?? '', characters.at(-1) ?? '']
    if (leftToRight.test(prepared) || !ends.every((character) => rightToLeft.test(character))) return undefined
  }
  return prepared
}

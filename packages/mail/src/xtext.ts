// xtext (RFC 3461 §4), the form in which ENVID and ORCPT carry any text through a command line: printable ASCII, with `+` and two
// upper-case hexadecimal digits for whatever else. Promises: never throws; decode(encode(text)) is text.

const xtext = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/

export function isXtext(text: string): boolean {
  return xtext.test(text)
}

/** Bytes above 127 as UTF-8. What is no xtext stays as it is. */
export function decodeXtext(text: string): string {
  if (!isXtext(text)) return text
  const bytes: number[] = []
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '+') {
      bytes.push(Number.parseInt(text.slice(at + 1, at + 3), 16))
      at += 2
    } else bytes.push(text.charCodeAt(at))
  }
  return Buffer.from(bytes).toString('utf8')
}

export function encodeXtext(text: string): string {
  let out = ''
  for (const byte of Buffer.from(text)) {
    const plain = byte > 32 && byte < 127 && byte !== 43 && byte !== 61
    out += plain ? String.fromCharCode(byte) : `+${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}

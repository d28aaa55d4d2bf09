// Writing XML, and reading the few words that a discovery request needs out of it. Pure; no entity is ever expanded but the five.

/** Text as it may stand in an element or an attribute. Characters that XML 1.0 has no way to write are left out. */
export function escapeXml(text: string): string {
  const writable = text.toWellFormed().replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '')
  return writable.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`)
}

/** `<name>text</name>`, escaped. */
export function element(name: string, text: string | number): string {
  return `<${name}>${escapeXml(String(text))}</${name}>`
}

const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/**
 * The text of the first element of that local name, whatever its prefix; undefined where there is none, where it holds
 * other elements, or where the document brings entities of its own.
 */
export function textOfElement(document: string, localName: string): string | undefined {
  if (/<!(?:DOCTYPE|ENTITY)/i.test(document)) return undefined
  const found = new RegExp(`<(?:[\\w.-]{1,64}:)?${localName}(?:\\s[^<>]{0,1000})?>([^<]{0,2000})</`).exec(document)?.[1]
  return found
    ?.trim()
    .replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(amp|lt|gt|quot|apos));/gi, (whole, decimal, hex, name) => {
      if (name !== undefined) return named[String(name).toLowerCase()] as string
      const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal)
      return code > 0 && code <= 0x10_ffff ? String.fromCodePoint(code) : whole
    })
}

// Reads the few words that a discovery request needs out of XML. Pure; no entity is ever expanded but the five.

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

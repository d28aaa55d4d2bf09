// XML as it is written in what mail programs and reports read: text that can end nothing.

/** Text as it may stand in an element or an attribute. Characters that XML 1.0 has no way to write are left out. */
export function escapeXml(text: string): string {
  const writable = text.toWellFormed().replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '')
  return writable.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`)
}

/** `<name>text</name>`, escaped. */
export function xmlElement(name: string, text: string | number): string {
  return `<${name}>${escapeXml(String(text))}</${name}>`
}

// HTML to the text that a reader would see, for search and previews; no safe HTML comes out of it, only text.
// Promises: never throws; linear time, also for tags, comments and quotes that never close.

/** Elements whose content is not shown. */
const hidden = new Set(['style', 'script', 'head', 'title', 'noscript', 'template', 'object'])
/** Their content is raw text: only their own end tag ends it. */
const raw = new Set(['style', 'script', 'title', 'noscript', 'template'])

const block = new Set(
  (
    'address article aside blockquote body br center dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 header hr ' +
    'html li main nav ol option p pre section table tbody td tfoot th thead tr ul'
  ).split(' '),
)

const entities: Record<string, string> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00a0',
  copy: '©',
  reg: '®',
  trade: '™',
  hellip: '…',
  mdash: '—',
  ndash: '–',
  lsquo: '‘',
  rsquo: '’',
  ldquo: '“',
  rdquo: '”',
  laquo: '«',
  raquo: '»',
  bull: '•',
  middot: '·',
  times: '×',
  euro: '€',
  pound: '£',
  yen: '¥',
  cent: '¢',
  sect: '§',
  deg: '°',
  plusmn: '±',
  frac12: '½',
  ensp: ' ',
  emsp: ' ',
  thinsp: ' ',
  zwnj: '',
  zwj: '',
  shy: '',
  agrave: 'à',
  aacute: 'á',
  acirc: 'â',
  atilde: 'ã',
  auml: 'ä',
  aring: 'å',
  ccedil: 'ç',
  egrave: 'è',
  eacute: 'é',
  ecirc: 'ê',
  euml: 'ë',
  iacute: 'í',
  ntilde: 'ñ',
  oacute: 'ó',
  ocirc: 'ô',
  ouml: 'ö',
  oslash: 'ø',
  uacute: 'ú',
  ucirc: 'û',
  uuml: 'ü',
  szlig: 'ß',
}

/** @param charactersMax stops after about that many characters of text */
export function htmlText(html: string, charactersMax = Number.POSITIVE_INFINITY): string {
  const tags = new TagFinder(html)
  let out = ''
  let position = 0
  let wanted = charactersMax
  while (position < html.length && wanted > 0) {
    const open = html.indexOf('<', position)
    const text = html.slice(position, open < 0 ? html.length : open)
    if (text !== '') {
      const plain = decodeEntities(text.replace(/\s+/g, ' '))
      out += plain
      wanted -= plain.trim().length
    }
    if (open < 0) break
    const next = html.charCodeAt(open + 1)
    if (!isTagStart(next)) {
      out += '<'
      position = open + 1
      continue
    }
    const tag = tags.read(open)
    if (tag.name !== '' && block.has(tag.name)) out += '\n'
    position = tag.next
  }
  return out
    .replace(/[ \t\u00a0]+/g, ' ')
    .replace(/ ?\n[ \n]*/g, '\n')
    .trim()
}

function isTagStart(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 47 || code === 33 || code === 63
}

class TagFinder {
  private readonly html: string
  private lower: string | null = null
  /** The next quote of each kind at or after the last place asked; the text's length for none. */
  private readonly quotes: Record<string, number> = { '"': -1, "'": -1 }
  /** End tags that do not come any more. */
  private readonly absent = new Set<string>()

  constructor(html: string) {
    this.html = html
  }

  /** The tag or comment at `open`, with its content where that is not shown. */
  read(open: number): { name: string; next: number } {
    const { html } = this
    if (html.startsWith('<!--', open)) {
      const close = this.find('-->', open + 4)
      return { name: '', next: close < 0 ? html.length : close + 3 }
    }
    const end = this.tagEnd(open)
    const name = /^\/?[a-z][a-z0-9]*/i.exec(html.slice(open + 1, open + 24))?.[0].toLowerCase() ?? ''
    if (name.startsWith('/')) return { name: name.slice(1), next: end }
    if (hidden.has(name) && html[end - 2] !== '/') return { name: '', next: this.skipContent(name, end) }
    return { name, next: end }
  }

  private find(text: string, from: number): number {
    if (this.absent.has(text)) return -1
    const found = this.html.indexOf(text, from)
    if (found < 0) this.absent.add(text)
    return found
  }

  private skipContent(name: string, from: number): number {
    this.lower ??= asciiLower(this.html)
    const end = `</${name}`
    if (this.absent.has(end)) return raw.has(name) ? this.html.length : from
    const found = this.lower.indexOf(end, from)
    if (found < 0) {
      this.absent.add(end)
      return raw.has(name) ? this.html.length : from
    }
    return this.tagEnd(found)
  }

  /** After the `>` of the tag at `open`; one inside a quoted attribute of moderate length does not count. */
  private tagEnd(open: number): number {
    const { html } = this
    const close = this.find('>', open)
    if (close < 0) return html.length
    const inside = html.slice(open, close)
    const quote = openQuote(inside)
    if (quote === '') return close + 1
    const after = this.nextQuote(quote, close)
    if (after - close > attributeCharactersMax) return close + 1
    const later = this.find('>', after)
    return later < 0 ? html.length : later + 1
  }

  private nextQuote(quote: string, from: number): number {
    if ((this.quotes[quote] ?? -1) < from) {
      const found = this.html.indexOf(quote, from)
      this.quotes[quote] = found < 0 ? this.html.length + attributeCharactersMax + 1 : found
    }
    return this.quotes[quote] ?? 0
  }
}

const attributeCharactersMax = 2048

/** Letters only, so that offsets stay the same (full lower-casing may lengthen text). */
function asciiLower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** The quote that an attribute value opens and does not close; '' for none. */
function openQuote(tag: string): string {
  let quote = ''
  for (let i = 0; i < tag.length; i += 1) {
    const char = tag[i] ?? ''
    if (quote === '') {
      if ((char === '"' || char === "'") && /[=\s]/.test(tag[i - 1] ?? '')) quote = char
    } else if (char === quote) quote = ''
  }
  return quote
}

/** Also used for text that stands outside tags only. */
export function decodeEntities(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(
    /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,7}));?/g,
    (whole, decimal, hex, name) => {
      if (typeof name === 'string') return Object.hasOwn(entities, name) ? (entities[name] ?? whole) : whole
      const code = typeof decimal === 'string' ? Number(decimal) : Number.parseInt(String(hex), 16)
      return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : '\ufffd'
    },
  )
}

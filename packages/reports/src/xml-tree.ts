// XML as a small tree, for reports of strangers. Promises: depth, elements and texts are bounded; no entity is expanded but
// the five; never throws anything but `report-damaged`.
import { SaxesParser } from 'saxes'
import type { ReportLimits } from './limits.ts'
import { damagedReport } from './packed.ts'

export interface XmlElement {
  /** Local name, whatever its prefix. */
  name: string
  text: string
  children: XmlElement[]
}

const depthMax = 12

/** @throws SkeinError `report-damaged` */
export function parseXml(document: string, limits: ReportLimits): XmlElement {
  const parser = new SaxesParser({ xmlns: false, position: false })
  const root: XmlElement = { name: '', text: '', children: [] }
  const open = [root]
  let elements = 0
  parser.on('error', (error) => {
    throw damagedReport(`the report is no XML: ${error.message}`)
  })
  parser.on('doctype', () => {
    throw damagedReport('the report brings a document type of its own')
  })
  parser.on('opentag', ({ name }) => {
    elements += 1
    if (elements > limits.reportElementsMax || open.length > depthMax) throw damagedReport('the report is too large')
    const element: XmlElement = { name: name.slice(name.indexOf(':') + 1), text: '', children: [] }
    open.at(-1)?.children.push(element)
    open.push(element)
  })
  const addText = (text: string) => {
    const element = open.at(-1)
    if (element && element.text.length < limits.reportTextCharactersMax) {
      element.text = (element.text + text).slice(0, limits.reportTextCharactersMax)
    }
  }
  parser.on('text', addText)
  parser.on('cdata', addText)
  parser.on('closetag', () => open.pop())
  parser.write(document).close()
  const [first] = root.children
  if (!first) throw damagedReport('the report is empty')
  return first
}

export function childrenOf(element: XmlElement | undefined, name: string): XmlElement[] {
  return element?.children.filter((child) => child.name === name) ?? []
}

/** The text of the first child of that name, trimmed; '' where there is none. */
export function textOf(element: XmlElement | undefined, name: string): string {
  return element?.children.find((child) => child.name === name)?.text.trim() ?? ''
}

// Whether a message has what a person would call an attachment.
import type { MimePart } from './types.ts'

/** Parts that clients act upon by themselves. */
const silent = new Set([
  'application/pgp-signature',
  'application/pgp-encrypted',
  'application/pgp-keys',
  'application/pkcs7-signature',
  'application/x-pkcs7-signature',
  'application/pkcs7-mime',
  'application/x-pkcs7-mime',
])

/** Multiparts whose children after the first belong to their machinery. */
const machinery = new Set(['report', 'signed', 'encrypted'])

export function hasAttachment(root: MimePart): boolean {
  return isAttached(root, null, 0)
}

function isAttached(part: MimePart, parent: MimePart | null, position: number): boolean {
  if (part.type === 'multipart') {
    return part.children.some((child, index) => isAttached(child, part, index))
  }
  if (parent !== null && position > 0 && machinery.has(parent.subtype)) return false
  if (silent.has(`${part.type}/${part.subtype}`)) return false
  if (part.disposition?.type === 'attachment') return true
  const named = part.parameters['name'] !== undefined || part.disposition?.parameters['filename'] !== undefined
  if (part.type === 'text') {
    if (part.disposition?.type === 'inline') return false
    return named && !(position === 0 && (part.subtype === 'plain' || part.subtype === 'html'))
  }
  // Pictures that the text shows.
  if (part.id !== null && parent !== null && (parent.subtype === 'related' || part.disposition?.type === 'inline'))
    return false
  return true
}

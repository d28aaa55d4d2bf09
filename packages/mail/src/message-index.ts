import type { Envelope, MessageIndex, MimePart } from './types.ts'
export function indexMessage(bytes: Uint8Array): MessageIndex {
  const envelope: Envelope = {
    date: null, subject: null, from: [], sender: [], replyTo: [], to: [], cc: [], bcc: [], inReplyTo: null, messageId: null,
  }
  const root: MimePart = {
    type: 'text', subtype: 'plain', parameters: {}, disposition: null, id: null, description: null, encoding: '7bit',
    language: null, location: null, md5: null, headerStart: 0, headerEnd: bytes.length, bodyStart: bytes.length,
    bodyEnd: bytes.length, lines: 0, children: [], envelope: null,
  }
  return { v: 1, envelope, root, subject: '', preview: '', hasAttachment: false, references: [], dateMs: null }
}
export function decodePart(bytes: Uint8Array, part: MimePart): Uint8Array {
  return bytes.subarray(part.bodyStart, part.bodyEnd)
}
export function readableText(bytes: Uint8Array, index: MessageIndex): string {
  return allText(bytes, index)
}
export function allText(bytes: Uint8Array, index: MessageIndex): string {
  return Buffer.from(decodePart(bytes, index.root)).toString()
}

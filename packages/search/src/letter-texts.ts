// Bytes of a message to the texts that a search looks through, its attachments' text too.
import {
  foldText,
  foldedAddresses,
  foldedBody,
  foldedHeader,
  foldedMachineHeader,
  foldedPartHeaders,
  indexMessage,
} from '@skein/mail'
import { attachmentTexts } from './attachment-texts.ts'
import type { LetterTexts } from './letter.ts'

/** @param attachments whether archives are opened; what they hold counts as body. */
export async function letterTexts(bytes: Uint8Array, attachments: boolean): Promise<LetterTexts> {
  const index = indexMessage(bytes)
  const { envelope } = index
  const body = foldedBody(bytes, index)
  const attached = attachments ? await attachmentTexts(bytes, index) : ''
  return {
    subject: foldText(index.subject),
    from: foldedAddresses(envelope.from),
    to: foldedAddresses(envelope.to),
    cc: foldedAddresses(envelope.cc),
    bcc: foldedAddresses(envelope.bcc),
    machine: foldedMachineHeader(bytes.subarray(0, index.root.headerEnd)),
    header: foldedHeader(bytes.subarray(0, index.root.headerEnd)),
    parts: foldedPartHeaders(bytes, index),
    body: attached === '' ? body : `${body}\n${foldText(attached)}`,
  }
}

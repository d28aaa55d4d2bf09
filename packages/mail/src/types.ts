// The words of mail as values. Byte offsets count from the first byte of the message.

/** RFC 9051 §7.5.2 envelope address; a group's start and end have a null host, as IMAP shows them. */
export interface EnvelopeAddress {
  /** Decoded display name (RFC 2047), or null. */
  name: string | null
  adl: string | null
  mailbox: string | null
  host: string | null
}

/** Raw header texts, unfolded but not decoded, as IMAP's ENVELOPE shows them (8-bit bytes as latin1 characters). */
export interface Envelope {
  date: string | null
  subject: string | null
  from: EnvelopeAddress[]
  sender: EnvelopeAddress[]
  replyTo: EnvelopeAddress[]
  to: EnvelopeAddress[]
  cc: EnvelopeAddress[]
  bcc: EnvelopeAddress[]
  inReplyTo: string | null
  messageId: string | null
}

/** One MIME part (RFC 2045), root first. All offsets are exact, also for broken messages. */
export interface MimePart {
  /** Lower case. */
  type: string
  subtype: string
  /** Lower-case names; values after RFC 2231 joining, not decoded to Unicode where the charset is unknown. */
  parameters: Record<string, string>
  disposition: { type: string; parameters: Record<string, string> } | null
  id: string | null
  description: string | null
  /** Lower case; '7bit' when there is none. */
  encoding: string
  language: string[] | null
  location: string | null
  md5: string | null
  /** [start, end) of this part's MIME header, including the blank line. For the root: the message header. */
  headerStart: number
  headerEnd: number
  /** [start, end) of the body. */
  bodyStart: number
  bodyEnd: number
  /** Lines of the body, for text/* and message/rfc822. */
  lines: number
  /** multipart/*: the parts. message/rfc822 and message/global: one element, the enclosed message's root part. */
  children: MimePart[]
  /** message/rfc822 and message/global: the enclosed message's envelope. */
  envelope: Envelope | null
}

/** All that listing and structure commands need, made once at delivery; plain JSON. */
export interface MessageIndex {
  /** Version of this shape: 1. */
  v: 1
  envelope: Envelope
  root: MimePart
  /** Unicode subject, decoded. */
  subject: string
  /** First 256 characters of readable text, white space folded (RFC 8970). */
  preview: string
  /** True where a part other than the readable text exists that a person would call an attachment. */
  hasAttachment: boolean
  /** Message-IDs in References and In-Reply-To, oldest first, without brackets: for threads. */
  references: string[]
  /** From this place on `references` are named by In-Reply-To only; absent where there are none such. */
  inReplyToFrom?: number
  /** The Date header as milliseconds, or null where it can't be read. */
  dateMs: number | null
}

export const mailLimits = {
  /** Parts deeper than this are shown as one opaque part. */
  mimeDepthMax: 100,
  mimePartsMax: 10_000,
  headerFieldsMax: 10_000,
  addressesPerFieldMax: 10_000,
  /** Message-IDs kept for threads. */
  referencesMax: 1000,
  /** RFC 8970 §3: characters of a preview. */
  previewCharactersMax: 256,
  /** Bytes of a text part that are decoded to make a preview. */
  previewSourceBytesMax: 64 * 1024,
  parametersPerFieldMax: 1000,
  dateCharactersMax: 256,
  /** RFC 5321 §4.5.3.1.1, §4.5.3.1.2. */
  localPartBytesMax: 64,
  domainBytesMax: 255,
  /** What a delivery status notification passes on of the other side's answer, and gives back of the original header. */
  dsnDiagnosticCharactersMax: 900,
  dsnReturnedHeaderBytesMax: 64 * 1024,
  /** A header, of a letter or a part, that is converted for a host that takes less than 8-bit or binary mail. */
  convertedHeaderBytesMax: 1024 * 1024,
  /** Recipients named in the text for people; the machine-readable part has them all. */
  dsnRecipientsNamedMax: 100,
  /** Recipients read from one notification. */
  dsnRecipientsReadMax: 10_000,
} as const

export interface ReceivedTrace {
  from?: { helo: string; name: string; ip: string }
  /** Host name of this node. */
  by: string
  /** RFC 3848: ESMTP, ESMTPS, ESMTPA, ESMTPSA, LMTP, … */
  protocol: string
  /** The queue id. */
  id: string
  /** Only where the letter has one recipient. */
  for?: string
  /** e.g. 'TLSv1.3 TLS_AES_256_GCM_SHA384'. */
  tls?: string
  dateMs: number
}
export function formatReceived(trace: ReceivedTrace): string {
  return `Received: by ${trace.by}\r\n`
}
export function formatReturnPath(address: string): string {
  return `Return-Path: <${address}>\r\n`
}
export function countReceived(headerBytes: Uint8Array): number {
  return headerBytes.length === 0 ? 0 : 0
}
export function findMessageId(headerBytes: Uint8Array): string {
  return headerBytes.length === 0 ? '' : ''
}

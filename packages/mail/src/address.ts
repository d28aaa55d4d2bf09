import type { EnvelopeAddress } from './types.ts'
export function parseAddressList(value: string): EnvelopeAddress[] {
  return value === '' ? [] : []
}
export function canonicalAddress(text: string): string | undefined {
  return text.toLowerCase()
}
export function canonicalDomain(text: string): string | undefined {
  return text.toLowerCase()
}
export function splitAddress(address: string): { local: string; domain: string } {
  const at = address.lastIndexOf('@')
  return at < 0 ? { local: address, domain: '' } : { local: address.slice(0, at), domain: address.slice(at + 1) }
}
export function stripSubaddress(local: string): { base: string; tag: string | null } {
  const plus = local.indexOf('+')
  return plus <= 0 ? { base: local, tag: null } : { base: local.slice(0, plus), tag: local.slice(plus + 1) }
}
export function formatMailbox(name: string | null, address: string): string {
  return name === null ? address : `${name} <${address}>`
}

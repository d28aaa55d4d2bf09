// Texts as keys that `<` puts in the order of i;unicode-casemap (RFC 5051): by the bytes of their UTF-8.
import { unicodeCasemap } from '@skein/mail'

/** One character for each byte. */
export function collationKey(text: string): string {
  const mapped = unicodeCasemap(text)
  return /^[\x00-\x7f]*$/.test(mapped) ? mapped : Buffer.from(mapped, 'utf8').toString('latin1')
}

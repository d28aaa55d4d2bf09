// Fetches the policy file of a domain over HTTPS (RFC 8461 §3.3). Promises: a certificate that is valid for the policy host, no
// redirect, and an end in time and size, or no policy.
import type { X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import { TLSSocket } from 'node:tls'
import type { TlsFailureType } from '@skein/reports'
import { type Clock, type DnsResolver, SkeinError } from '@skein/runtime'
import type { OutsideLimits } from '../limits.ts'
import { type StsPolicy, parseStsPolicy } from './sts-policy.ts'
import { isFor } from './tlsa.ts'

export class StsFetchFailure extends Error {
  override readonly name = 'StsFetchFailure'
  readonly type: TlsFailureType

  constructor(type: TlsFailureType, text: string) {
    super(text)
    this.type = type
  }
}

export interface StsFetchTerms {
  resolver: DnsResolver
  clock: Clock
  limits: OutsideLimits
  /** PEM of all authorities that are trusted; left out: Node's. */
  authorities?: readonly string[]
  /** 443 (RFC 8461 §3.3) but in tests. */
  port?: number
}

/** @throws StsFetchFailure */
export async function fetchStsPolicy(domain: string, terms: StsFetchTerms): Promise<StsPolicy> {
  const host = `mta-sts.${domain}`
  const addresses = await addressesOf(host, terms.resolver)
  let failure = new StsFetchFailure('sts-policy-fetch-error', `${host} has no address`)
  for (const address of addresses.slice(0, terms.limits.stsAddressesTriedMax)) {
    try {
      const text = await get(host, address, terms)
      const policy = parseStsPolicy(text)
      if (policy) return policy
      throw new StsFetchFailure('sts-policy-invalid', `what ${host} gives is no MTA-STS policy`)
    } catch (error) {
      if (!(error instanceof StsFetchFailure)) throw error
      failure = error
      if (error.type === 'sts-policy-invalid') break
    }
  }
  throw failure
}

async function addressesOf(host: string, resolver: DnsResolver): Promise<string[]> {
  const answers = await Promise.allSettled([resolver.a(host), resolver.aaaa(host)])
  const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value.records : []))
  const [first] = answers
  if (addresses.length === 0 && first?.status === 'rejected') {
    const text = first.reason instanceof SkeinError ? first.reason.message : 'the name look-up failed'
    throw new StsFetchFailure('sts-policy-fetch-error', text)
  }
  return addresses
}

function get(
  host: string,
  address: string,
  { clock, limits, authorities, port = 443 }: StsFetchTerms,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({
      host: address,
      port,
      path: '/.well-known/mta-sts.txt',
      servername: host,
      headers: { Host: host, Accept: 'text/plain' },
      agent: false,
      // The name is looked at below, by RFC 8461 §3.3: subjectAltName only.
      checkServerIdentity: () => undefined,
      ...(authorities ? { ca: [...authorities] } : {}),
    })
    const timer = clock.setTimer(limits.stsFetchTimeoutMs, () => fail('sts-policy-fetch-error', 'it took too long'))
    function fail(type: TlsFailureType, text: string): void {
      timer.cancel()
      asked.destroy()
      reject(new StsFetchFailure(type, `the MTA-STS policy at ${host} [${address}]: ${text}`))
    }
    asked.on('error', (error: NodeJS.ErrnoException) => {
      const isCertificate = asked.socket instanceof TLSSocket && Boolean(asked.socket.authorizationError)
      fail(isCertificate ? 'sts-webpki-invalid' : 'sts-policy-fetch-error', error.code ?? error.message)
    })
    asked.on('response', (response) => {
      const certificate: X509Certificate | undefined = (response.socket as TLSSocket).getPeerX509Certificate()
      if (!certificate || !isFor(certificate, host, 'never')) {
        return fail('sts-webpki-invalid', 'its certificate is for another name')
      }
      // RFC 8461 §3.3: redirects are not followed.
      if (response.statusCode !== 200) return fail('sts-policy-fetch-error', `it answers ${response.statusCode}`)
      if (!/^text\/plain\s*(?:;|$)/i.test(response.headers['content-type'] ?? '')) {
        return fail('sts-policy-fetch-error', 'it is no text/plain')
      }
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        chunks.push(chunk)
        if (bytes > limits.stsPolicyBytesMax) fail('sts-policy-fetch-error', 'it is too long')
      })
      response.on('error', (error) => fail('sts-policy-fetch-error', error.message))
      response.on('end', () => {
        timer.cancel()
        resolve(Buffer.concat(chunks).toString('utf8'))
      })
    })
    asked.end()
  })
}

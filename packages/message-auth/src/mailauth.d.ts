// The parts of mailauth 7.1 that we use, file by file: its front door also loads what we never need (BIMI, HTTP, MTA-STS).
type Resolve = (name: string, type: string) => Promise<unknown>

interface ParsedField {
  key: string
  line: Buffer
}

interface KeyOptions {
  strict?: boolean
  hashAlgo?: string
}

interface FoundKey {
  publicKey: unknown
  keyType: string
  /** t= */
  flags: readonly string[]
}

interface KeyCache {
  resolver: Resolve
  get(type: string, name: string, bits: number | undefined, options: KeyOptions | undefined): Promise<FoundKey>
}

interface SignatureResult {
  signingDomain?: string
  selector?: string
  signature?: string
  algo?: string
  status: {
    result: string
    comment?: string | false
    underSized?: number
    policy?: Record<string, string>
    header?: { i?: string | false }
  }
}

interface ArcLink {
  i: number
  'arc-seal'?: { parsed?: Record<string, { value: unknown } | undefined> }
  'arc-authentication-results'?: { original?: Buffer | string }
}

interface ArcData {
  keyCache?: KeyCache
  chain: false | ArcLink[]
  lastEntry?: ArcLink
  error?: Error
}

declare module 'mailauth/lib/dkim/dkim-verifier.js' {
  import type { Writable } from 'node:stream'

  export class DkimVerifier extends (0 as unknown as typeof Writable) {
    constructor(options: { resolver: Resolve; minBitLength: number; strict: boolean; sender: string; curTime?: Date })
    keyCache: KeyCache
    headers: false | { parsed: ParsedField[] }
    messageHeaders(headers: { parsed: ParsedField[] }): Promise<void>
    nextChunk(chunk: Uint8Array): Promise<void>
    finalChunk(): Promise<void>
    results: SignatureResult[]
    arc: ArcData
    prepareSignature(header: { type: string; skip?: string }): void
  }
  const module: { DkimVerifier: typeof DkimVerifier }
  export default module
}

declare module 'mailauth/lib/tools.js' {
  const module: {
    parseHeaders(bytes: Buffer): { parsed: ParsedField[] }
    toALabel(domain: string): string
    normalizeDomainName(domain: string): string
    isSameOrSubdomain(child: string, parent: string): boolean
    getPublicKey(
      type: string,
      name: string,
      bits: number | undefined,
      resolver: Resolve,
      options: KeyOptions | undefined,
    ): Promise<Omit<FoundKey, 'publicKey'> & { publicKey: string }>
  }
  export default module
}

declare module 'mailauth/lib/arc/index.js' {
  import type { Readable } from 'node:stream'

  interface ArcStatus {
    status: { result: string; comment?: string | false }
  }
  interface Seal {
    signingDomain: string
    selector: string
    privateKey: string
    authResults: string
    cv: string
    signTime: Date
  }
  const module: {
    arc(data: ArcData, options: { resolver: Resolve; minBitLength: number; strict: boolean }): Promise<ArcStatus>
    createSeal(
      input: Readable,
      data: { seal: Seal; strict: boolean },
    ): Promise<{ headers: string[]; errors: { err: Error }[] }>
  }
  export default module
}

declare module 'mailauth/lib/spf/index.js' {
  const module: {
    spf(options: {
      sender: string
      ip: string
      helo: string
      mta: string
      resolver: Resolve
      strict: boolean
      maxResolveCount: number
      maxVoidCount: number
      maxElapsedTime: number
    }): Promise<{ domain: string; status: { result: string; comment?: string } }>
  }
  export default module
}

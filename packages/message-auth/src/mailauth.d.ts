// The parts of mailauth 7.1 that we use, file by file: its front door also loads what we never need (BIMI, HTTP, MTA-STS).
type Resolve = (name: string, type: string) => Promise<unknown>

interface ParsedField {
  key: string
  line: Buffer
}

interface SignatureStatus {
  result: string
  comment?: string | false
  underSized?: number
  policy?: Record<string, string>
}

interface SignatureResult {
  signingDomain?: string
  selector?: string
  signature?: string
  algo?: string
  status: SignatureStatus & { header?: { d?: string | false; i?: string | false } }
}

interface ArcLink {
  i: number
  'arc-seal'?: { parsed?: Record<string, { value: unknown } | undefined> }
  'arc-authentication-results'?: { original?: Buffer | string }
}

interface ArcData {
  chain: false | ArcLink[]
  lastEntry?: ArcLink
  error?: Error
}

declare module 'mailauth/lib/dkim/dkim-verifier.js' {
  import type { Writable } from 'node:stream'

  export class DkimVerifier extends (0 as unknown as typeof Writable) {
    constructor(options: { resolver: Resolve; minBitLength: number; strict: boolean; sender: string; curTime?: Date })
    headers: false | { parsed: ParsedField[] }
    results: SignatureResult[]
    arc: ArcData
    prepareSignature(header: { type: string; skip?: string }): void
  }
  const module: { DkimVerifier: typeof DkimVerifier }
  export default module
}

declare module 'mailauth/lib/dkim/body/index.js' {
  interface BodyHasher {
    update(chunk: Uint8Array): void
    digest(encoding: 'base64'): string
  }
  const module: { dkimBody(canonicalization: string, algorithm: string, length: false): BodyHasher }
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

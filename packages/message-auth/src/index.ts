export { messageAuthLimits } from './limits.ts'
export { createVerifierPool, type VerifierPool, type VerifierSettings } from './verifier-pool.ts'

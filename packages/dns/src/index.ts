export * from './limits.ts'
export { type DnsComponents, type DnsSettings, createDnsResolver, trustedServersDefault } from './resolver.ts'
export { parseServer } from './name-servers.ts'

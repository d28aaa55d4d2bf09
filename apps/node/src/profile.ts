// Ports of the two profiles (operator contract): `standard` for real service, `dev` for several nodes on one machine.

export const services = [
  'smtp',
  'submission',
  'submissions',
  'imap',
  'imaps',
  'pop3',
  'pop3s',
  'http',
  'https',
  'mesh',
] as const
export type Service = (typeof services)[number]
export type ProfileName = 'standard' | 'dev'

const standardPorts: Record<Service, number> = {
  smtp: 25,
  submission: 587,
  submissions: 465,
  imap: 143,
  imaps: 993,
  pop3: 110,
  pop3s: 995,
  http: 80,
  https: 443,
  mesh: 9835,
}

/** The port of a service: the well-known one, or that plus 10000 in the dev profile. */
export function portOf(profile: ProfileName, service: Service): number {
  return standardPorts[service] + (profile === 'dev' ? 10_000 : 0)
}

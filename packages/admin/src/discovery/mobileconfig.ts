// An Apple configuration profile with one mail account. No password inside: the device asks for it.
import { createHash } from 'node:crypto'
import { escapeXml } from '@skein/mail'
import { type MailServer, type MailService, serversFor } from './mail-service.ts'

type PlistValue = string | number | boolean | PlistValue[] | { [key: string]: PlistValue }

function plist(value: PlistValue, indent: string): string {
  if (typeof value === 'string') return `${indent}<string>${escapeXml(value)}</string>`
  if (typeof value === 'number') return `${indent}<integer>${value}</integer>`
  if (typeof value === 'boolean') return `${indent}<${value}/>`
  const deeper = `${indent}  `
  if (Array.isArray(value)) {
    return [`${indent}<array>`, ...value.map((item) => plist(item, deeper)), `${indent}</array>`].join('\n')
  }
  const pairs = Object.entries(value).flatMap(([key, item]) => [
    `${deeper}<key>${escapeXml(key)}</key>`,
    plist(item, deeper),
  ])
  return [`${indent}<dict>`, ...pairs, `${indent}</dict>`].join('\n')
}

/** RFC 9562 §5.8: a UUID made from a digest, so that a second profile replaces the first on the device. */
function stableUuid(...words: string[]): string {
  const digest = createHash('sha256').update(words.join('\0')).digest()
  digest[6] = ((digest[6] as number) & 0x0f) | 0x80
  digest[8] = ((digest[8] as number) & 0x3f) | 0x80
  const hex = digest.toString('hex', 0, 16).toUpperCase()
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

function incoming(server: MailServer, address: string): Record<string, PlistValue> {
  return {
    EmailAccountType: server.protocol === 'imap' ? 'EmailTypeIMAP' : 'EmailTypePOP',
    IncomingMailServerAuthentication: 'EmailAuthPassword',
    IncomingMailServerHostName: server.host,
    IncomingMailServerPortNumber: server.port,
    IncomingMailServerUseSSL: true,
    IncomingMailServerUsername: address,
  }
}

function outgoing(server: MailServer, address: string): Record<string, PlistValue> {
  return {
    OutgoingMailServerAuthentication: 'EmailAuthPassword',
    OutgoingMailServerHostName: server.host,
    OutgoingMailServerPortNumber: server.port,
    OutgoingMailServerUseSSL: true,
    OutgoingMailServerUsername: address,
    OutgoingPasswordSameAsIncomingPassword: true,
  }
}

/** Undefined when there is no server to read from, or none to send through. */
export function mobileconfigDocument(service: MailService, address: string): string | undefined {
  const reading = serversFor(service, 'imap')[0] ?? serversFor(service, 'pop3')[0]
  const sending = serversFor(service, 'smtp')[0]
  if (!reading || !sending) return undefined
  const identity = address.toLowerCase()
  const reversed = service.domain.split('.').reverse().join('.')
  const identifier = `${reversed}.skein.mail.${stableUuid('identifier', identity).slice(0, 8).toLowerCase()}`
  const profile = {
    PayloadContent: [
      {
        EmailAccountDescription: address,
        EmailAddress: address,
        ...incoming(reading, address),
        ...outgoing(sending, address),
        PayloadDescription: 'Mail account',
        PayloadDisplayName: address,
        PayloadIdentifier: `${identifier}.account`,
        PayloadType: 'com.apple.mail.managed',
        PayloadUUID: stableUuid('account', identity),
        PayloadVersion: 1,
      },
    ],
    PayloadDescription: `Mail account ${address}`,
    PayloadDisplayName: `Mail: ${address}`,
    PayloadIdentifier: identifier,
    PayloadOrganization: service.domain,
    PayloadRemovalDisallowed: false,
    PayloadType: 'Configuration',
    PayloadUUID: stableUuid('profile', identity),
    PayloadVersion: 1,
  }
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    plist(profile, ''),
    '</plist>',
    '',
  ].join('\n')
}

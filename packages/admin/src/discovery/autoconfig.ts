// Thunderbird's autoconfig file (and K-9's, Evolution's, KMail's): clientConfig 1.1.
import { escapeXml, xmlElement } from '@skein/mail'
import { type MailServer, type MailService, serversFor } from './mail-service.ts'

const socketTypes = { tls: 'SSL', starttls: 'STARTTLS' } as const

/** The user name is left to the client (`%EMAILADDRESS%`), so that the file is the same for everybody. */
function serverElement(kind: 'incomingServer' | 'outgoingServer', server: MailServer): string[] {
  return [
    `    <${kind} type="${server.protocol}">`,
    `      ${xmlElement('hostname', server.host)}`,
    `      ${xmlElement('port', server.port)}`,
    `      ${xmlElement('socketType', socketTypes[server.security])}`,
    `      ${xmlElement('authentication', 'password-cleartext')}`,
    `      ${xmlElement('username', '%EMAILADDRESS%')}`,
    `    </${kind}>`,
  ]
}

export function autoconfigDocument(service: MailService): string {
  const domain = escapeXml(service.domain)
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<clientConfig version="1.1">',
    `  <emailProvider id="${domain}">`,
    `    <domain>${domain}</domain>`,
    `    <displayName>${domain}</displayName>`,
    `    <displayShortName>${domain}</displayShortName>`,
    ...serversFor(service, 'imap').flatMap((server) => serverElement('incomingServer', server)),
    ...serversFor(service, 'pop3').flatMap((server) => serverElement('incomingServer', server)),
    ...serversFor(service, 'smtp').flatMap((server) => serverElement('outgoingServer', server)),
    '  </emailProvider>',
    '</clientConfig>',
    '',
  ].join('\n')
}

// Outlook's autodiscover in plain XML (POX) for IMAP, POP3 and SMTP, its errors, and the JSON that points to it.
import { escapeXml, xmlElement } from '@skein/mail'
import { textOfElement } from '../xml.ts'
import { type MailServer, type MailService, serversFor } from './mail-service.ts'

const responseNamespace = 'http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006'
export const outlookSchema = 'http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a'

export interface AutodiscoverRequest {
  address: string | undefined
  /** The schema in which the client wants its answer; phones ask for ActiveSync's, which is not spoken here. */
  schema: string | undefined
}

export function readAutodiscoverRequest(body: string): AutodiscoverRequest {
  return {
    address: textOfElement(body, 'EMailAddress'),
    schema: textOfElement(body, 'AcceptableResponseSchema'),
  }
}

/** `Encryption` counts for Outlook from 2010 on, `SSL` for the ones before. */
function protocolElement(type: string, server: MailServer, address: string): string[] {
  return [
    '      <Protocol>',
    `        ${xmlElement('Type', type)}`,
    `        ${xmlElement('Server', server.host)}`,
    `        ${xmlElement('Port', server.port)}`,
    `        ${xmlElement('DomainRequired', 'off')}`,
    `        ${xmlElement('LoginName', address)}`,
    `        ${xmlElement('SPA', 'off')}`,
    `        ${xmlElement('SSL', 'on')}`,
    `        ${xmlElement('Encryption', server.security === 'tls' ? 'SSL' : 'TLS')}`,
    `        ${xmlElement('AuthRequired', 'on')}`,
    ...(type === 'SMTP'
      ? [`        ${xmlElement('UsePOPAuth', 'on')}`, `        ${xmlElement('SMTPLast', 'off')}`]
      : []),
    '      </Protocol>',
  ]
}

/** Outlook takes the first protocol of each type: one of each, from the nearest node. */
export function autodiscoverDocument(service: MailService, address: string): string {
  const first = (protocol: MailServer['protocol'], type: string) =>
    serversFor(service, protocol)
      .slice(0, 1)
      .flatMap((server) => protocolElement(type, server, address))
  return [
    '<?xml version="1.0" encoding="utf-8"?>',
    `<Autodiscover xmlns="${responseNamespace}">`,
    `  <Response xmlns="${outlookSchema}">`,
    '    <User>',
    `      ${xmlElement('DisplayName', address)}`,
    '    </User>',
    '    <Account>',
    `      ${xmlElement('AccountType', 'email')}`,
    `      ${xmlElement('Action', 'settings')}`,
    ...first('imap', 'IMAP'),
    ...first('pop3', 'POP3'),
    ...first('smtp', 'SMTP'),
    '    </Account>',
    '  </Response>',
    '</Autodiscover>',
    '',
  ].join('\n')
}

export type AutodiscoverFault = 'unknown-address' | 'bad-request' | 'unknown-schema'

/** Codes of [MS-OXDSCLI] §2.2.4.1.1.4. */
const faultCodes: Record<AutodiscoverFault, { code: number; message: string }> = {
  'unknown-address': { code: 500, message: 'The e-mail address is of no domain of this server.' },
  'bad-request': { code: 600, message: 'Invalid Request' },
  'unknown-schema': { code: 601, message: 'Provider is not available' },
}

export function autodiscoverFault(fault: AutodiscoverFault, nowMs: number): string {
  const { code, message } = faultCodes[fault]
  const time = new Date(nowMs).toISOString().slice(11, 23)
  return [
    '<?xml version="1.0" encoding="utf-8"?>',
    `<Autodiscover xmlns="${responseNamespace}">`,
    '  <Response>',
    `    <Error Time="${escapeXml(time)}" Id="0">`,
    `      ${xmlElement('ErrorCode', code)}`,
    `      ${xmlElement('Message', message)}`,
    '      <DebugData />',
    '    </Error>',
    '  </Response>',
    '</Autodiscover>',
    '',
  ].join('\n')
}

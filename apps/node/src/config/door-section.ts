// `door`: who may come in by SMTP.
import { doorLimits } from '@skein/filtering'
import { z } from 'zod'
import { count, dnsList } from './values.ts'

export const doorSchema = z
  .strictObject({
    greylist: z
      .enum(['off', 'suspicious', 'all'])
      .default('suspicious')
      .describe(
        'Whose first letter has to come twice: nobody’s, that of addresses without a confirmed host name, on a DNS list or with a bad name, or everybody’s.',
      ),
    'greylist-pause-seconds': count(86_400)
      .default(doorLimits.greylistPauseMs / 1000)
      .describe('When the second try is taken.'),
    'without-name': z
      .enum(['record', 'refuse'])
      .default('record')
      .describe(
        'What happens to addresses whose host name the DNS does not confirm: recorded, or refused (550 5.7.25).',
      ),
    lists: z
      .array(dnsList)
      .max(doorLimits.listsMax)
      .default([])
      .describe(
        'DNS lists (RFC 5782), each as "zone of=address|domain codes=127.0.0.2,127.0.0.4/30 weight=1"; a negative weight is a list of friends. Lists have terms of use: none is asked unless it stands here. See [The door](door.md).',
      ),
    'listed-from': z
      .number()
      .min(0.001)
      .max(1000)
      .default(1)
      .describe('The weight of all hits together from which a client is refused (554 5.7.1).'),
    'sessions-per-address-max': count(1_000_000)
      .default(doorLimits.sessionsPerAddressMax)
      .describe('Sessions of one stranger’s address at once (421 4.7.0).'),
    'connections-per-address-max': count(1_000_000)
      .default(doorLimits.connectionsPerAddressPer10MinMax)
      .describe('Its connections in ten minutes, at all nodes together (421 4.7.0).'),
    'letters-per-address-max': count(1_000_000)
      .default(doorLimits.lettersPerAddressPerHourMax)
      .describe('Its letters in an hour, at all nodes together (451 4.7.1); ten times as many with a good name.'),
    'recipients-per-address-max': count(10_000_000)
      .default(doorLimits.recipientsPerAddressPerHourMax)
      .describe('Its recipients in an hour (451 4.7.1).'),
    'unknown-recipients-max': count(1_000_000)
      .default(doorLimits.unknownRecipientsPerHourMax)
      .describe('Its unknown recipients in an hour; with one more it is banned at all nodes.'),
    'ban-seconds': count(86_400)
      .default(doorLimits.banFirstMs / 1000)
      .describe('How long a first ban lasts; each further one twice as long, up to a day.'),
    'letters-per-recipient-max': count(10_000_000)
      .default(doorLimits.lettersPerRecipientPerHourMax)
      .describe('Letters from strangers to one mailbox in an hour (450 4.2.1).'),
  })
  .prefault({})
  .describe('Who may come in by SMTP, how often, and who has to wait.')

// How mail moves through a node, wired: what examines letters, the way outside, reports, and delivery in the middle.
import { type DeliveryComponents, SrsSecretKeeper, createDelivery, deliveryLimits } from '@skein/delivery'
import { systemClock as clock, systemRandom as random } from '@skein/runtime'
import { createDeadAddressStore, createTraceStore } from '@skein/storage'
import { allAdministrators, type Administrators } from './administrators.ts'
import type { Ground } from './ground.ts'
import { openLetterExamination } from './letter-examination.ts'
import { openOutsideWay } from './outside-way.ts'
import { openReports } from './reports.ts'
import { sharedSecrets } from './shared-secrets.ts'

export type MailFlowParts = Pick<DeliveryComponents, 'mailboxes' | 'entrances' | 'spentElsewhere'> & {
  administrators: Administrators
}

export type MailFlow = ReturnType<typeof openMailFlow>

export function openMailFlow(ground: Ground, { administrators, ...parts }: MailFlowParts) {
  const { paths, config, database, log, stores, ledger, mesh, resolver, hostName, logger, opened } = ground
  const { directory } = ledger
  const srsSecrets = new SrsSecretKeeper(
    { shared: sharedSecrets(ledger), clock, random, logger: logger.child({ part: 'delivery' }) },
    deliveryLimits,
  )
  const { reports, accepted } = openReports({
    config,
    database,
    log,
    ledger,
    dns: resolver,
    hostName,
    logger,
    post: (letter) => delivery.post(letter),
  })
  const outside = openOutsideWay(config, { log, database, resolver, journal: reports.tls, hostName, logger })
  opened.add('outside courier', () => outside.close())
  const examination = openLetterExamination({
    paths,
    config,
    ledger,
    dns: resolver,
    hostName,
    journal: reports.dmarc,
    logger,
    opened,
  })
  const delivery = createDelivery(
    {
      ...parts,
      queue: stores.queue,
      trace: createTraceStore(database),
      deadAddresses: createDeadAddressStore(database),
      log,
      directory,
      link: mesh,
      outside,
      examiner: examination.examiner,
      accepted,
      clock,
      random,
      logger: logger.child({ part: 'delivery' }),
    },
    {
      hostName,
      administrators: () => allAdministrators(directory, administrators.list()),
      srsSecrets: () => srsSecrets.secrets(),
      messageBytesMax: config.smtp['message-bytes-max'],
      recipientsMax: config.smtp['recipients-max'],
      outsidePerMinute: config.outside['letters-per-minute'],
      userLettersPerHourMax: config.smtp['user-letters-per-hour-max'],
      userRecipientsPerHourMax: config.smtp['user-recipients-per-hour-max'],
      userRecipientsPerDayMax: config.smtp['user-recipients-per-day-max'],
    },
  )
  return { delivery, reports, examination, srsSecrets }
}

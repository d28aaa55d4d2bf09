// Every limit of this package, with its default. Listed in docs/operating/limits.md.

export const deliveryLimits = {
  messageBytesMax: 50 * 1024 * 1024,
  headerBytesMax: 1024 * 1024,
  recipientsMax: 1000,
  receivedHopsMax: 50,
  aliasDepthMax: 10,
  aliasExpandedRecipientsMax: 10_000,
  queueLifetimeMs: 5 * 24 * 3600 * 1000,
  delayNoticeAfterMs: 4 * 3600 * 1000,
  localDeliveriesAtOnceMax: 64,
  peerDeliveriesAtOnceMax: 32,
  outsideDeliveriesAtOnceMax: 100,
  outsideDeliveriesPerDomainMax: 10,
  /** To a domain that has not taken any yet; grows up to the limit as it takes them. */
  outsideDeliveriesAtStart: 4,
  /** How long it is remembered how many at once a domain took, and of how many domains. */
  outsidePaceKeepMs: 3600_000,
  outsidePacesMax: 20_000,
  /** More letters than these are not taken in: `queue-full` (temporary). */
  queueItemsInMemoryMax: 100_000,
  /** Letters for at most this many local recipients go into the mailboxes before they are acknowledged. */
  directRecipientsMax: 20,
  /** Letters on their way in are kept in memory up to this size, and as long as all together fit. */
  intakeMemoryBytesPerLetterMax: 256 * 1024,
  intakeMemoryBytesMax: 64 * 1024 * 1024,
  /** Letters up to this size travel within the offer to a peer. */
  peerInlineBytesMax: 256 * 1024,
  peerChunksInFlight: 4,
  peerOfferRecipientsMax: 1000,
  /** Letters that arrive from peers in pieces at one time: in all, and from one peer. */
  peerUploadsMax: 64,
  peerUploadsPerPeerMax: 16,
  peerUploadIdleMs: 60_000,
  /** Back-off of a destination never grows beyond these. */
  peerBackOffMaxMs: 60_000,
  outsideBackOffMaxMs: 30 * 60_000,
  /** Waiting letters that are routed anew after one change of the directory. */
  rerouteLettersMax: 5_000,
  /** Another way out: letters of this node that one peer may have at a time, and hand-overs under way at a time. */
  handOversPerPeerMax: 100,
  handOversAtOnceMax: 16,
  /** How long a peer may take to say that it has the letter on its disk; then the next one is asked. */
  handOverOfferTimeoutMs: 8_000,
  /** A peer that takes no more for now is left alone for so long. */
  handOverBusyMs: 5_000,
  /** A peer that has a letter is asked about it so often. */
  handOverAskMs: 60_000,
  /** A peer that has a letter and is not heard of for so long is taken to be lost: the letter goes another way. */
  handOverSilentMaxMs: 4 * 3600_000,
  /** A letter that is refused here for good waits so long for peers that are busy or out of reach. */
  otherWayWaitMaxMs: 3600_000,
  otherWayPauseMs: 10_000,
  /** How long an operator's cancel waits for the word of a peer that has the letter. */
  recallWaitMs: 3_000,
  /** For peers: letters of one peer that this node has at a time, and takes in an hour; recipients and bytes of one. */
  errandsPerPeerMax: 200,
  errandsPerPeerHourMax: 1_000,
  /** A letter of a peer goes back to it after so long. */
  errandKeepMs: 15 * 60_000,
  /** What is known of outside domains that refuse a node of the mesh. */
  pathDomainsMax: 2_000,
  pathNodesPerDomainMax: 64,
  pathKeepMs: 24 * 3600_000,
  /** A node that was refused is not tried there again for so long, doubled with each refusal up to the second. */
  pathShunMs: 10 * 60_000,
  pathShunMaxMs: 4 * 3600_000,
  /** While one letter finds out whether a domain still refuses this node. */
  pathProbeMs: 60_000,
  pathNewsMax: 200,
  pathNewsPauseMs: 2_000,
  overQuotaMemoryMs: 60_000,
  overQuotaAccountsMax: 10_000,
  /** What one user may submit through one node; 0: no end. */
  userLettersPerHourMax: 2_000,
  userRecipientsPerHourMax: 5_000,
  userRecipientsPerDayMax: 20_000,
  /** Users whose allowance is remembered. */
  userAllowancesMax: 100_000,
  /** How long the copy for Sent waits for the one of the mail program, and among how many of the newest that is looked for. */
  sentCopyWaitMs: 60_000,
  sentCopyLookBack: 100,
  /** Letters to one address outside that came back for good within the window, before it is taken for dead. */
  suppressionFailures: 3,
  suppressionWindowMs: 7 * 24 * 3600 * 1000,
  /** How long new letters to a dead address are refused; then one may try again. */
  suppressionRefusalMs: 24 * 3600 * 1000,
  /** Addresses outside that are watched. */
  suppressionAddressesMax: 50_000,
  /** A secret for rewritten senders (SRS) is followed by the next one after this time. */
  srsSecretRotateMs: 90 * 24 * 3600 * 1000,
  /** It is used for new addresses once every node has had time to hear of it. */
  srsSecretSettleMs: 3600 * 1000,
  /** The one before is kept so much longer: addresses are good for 21 days. */
  srsSecretKeepMs: 23 * 24 * 3600 * 1000,
  stopGraceMs: 8_000,
} as const

export type DeliveryLimits = { [Name in keyof typeof deliveryLimits]: number }

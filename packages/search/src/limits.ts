// What the search index may take of time, memory and disk.

export const searchLimits = {
  /** Text of one message that is kept in the index; a longer one is looked at itself. */
  textBytesMax: 64 * 1024 * 1024,
  /** A longer body has no terms: its text is looked at in every search that may find it. */
  termTextMax: 4 * 1024 * 1024,
  /** Different words of one message; above it the text itself is looked at wherever it may match. */
  termsPerMessageMax: 50_000,
  /** Messages, and bytes of their text, that wait in memory to be written together. */
  waitingMessagesMax: 500,
  waitingBytesMax: 2 * 1024 * 1024,
  /** What waits is written after so long without anything new. */
  restMs: 1000,
  /** Segments of a like size before they are merged, and the largest that merging makes. */
  mergeSegments: 8,
  segmentMessagesMax: 256 * 1024,
  segmentTextBytesMax: 2 ** 31,
  /** A segment is written anew when so much of it is gone. */
  goneRatio: 0.25,
  /** Accounts whose index is open at once, and memory for their word lists. */
  openAccountsMax: 16,
  vocabularyBytesMax: 192 * 1024 * 1024,
  /** The worker pauses after so long for whatever else waits. */
  sliceMs: 10,
  /** Messages, and bytes of them, on their way to the worker at once. */
  batchMessagesMax: 64,
  batchBytesMax: 4 * 1024 * 1024,
  /** A larger message travels alone; one larger than this is not indexed. */
  messageBytesMax: 128 * 1024 * 1024,
  /** The worker is taken for stuck, and started anew, after so long on one batch. */
  stuckMs: 60_000,
  /** Memory of the worker's heap. */
  heapMegabytesMax: 512,
  /** A worker without work ends after so long. */
  idleWorkerMs: 120_000,
  /** Changes of one account kept to be followed; with more its mailboxes are compared. */
  followedChangesMax: 5000,
  /** An account's changes are taken up after so long, so that they come together. */
  followDelayMs: 500,
  /** The node is busy when its loop is in use for more than this; indexing then waits, this long at the most. */
  busyRatio: 0.7,
  busyWaitMsMax: 2000,
  /** Attachments: entries of an archive, bytes that come out of one, of all of a message, and how many times its size. */
  archiveEntriesMax: 2000,
  archiveEntryBytesMax: 8 * 1024 * 1024,
  archiveBytesMax: 16 * 1024 * 1024,
  archiveRatioMax: 200,
  archiveMs: 2000,
  attachmentsPerMessageMax: 20,
} as const

// What judging one letter may cost.

export const authenticationLimits = {
  /** Names with a passing check whose organisational domain is looked for (RFC 9989 §4.10.2); others count as not aligned. */
  alignmentWalksMax: 10,
  /** DKIM results named in Authentication-Results. */
  resultsNamedMax: 20,
  /** Characters of a name or reason that a stranger chose, in Authentication-Results. */
  resultTextMax: 255,
} as const

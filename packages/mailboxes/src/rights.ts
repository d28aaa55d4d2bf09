// What one may do with a mailbox (RFC 4314 §2.1): a string of letters, each once, in one order.

/** `l` see it · `r` read · `s` keep \Seen · `w` other flags · `i` put in · `p` post · `k` make below · `x` delete · `t` \Deleted · `e` expunge · `a` administer */
export type Rights = string

/** In the order of RFC 4314 §2.1. */
export const allRights: Rights = 'lrswipkxtea'

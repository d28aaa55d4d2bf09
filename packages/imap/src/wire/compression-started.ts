// How this server answers COMPRESS, by which a node that carries the session knows that it can follow it no more (RFC 4978).

export const compressionStartedText = 'Deflate from here on'

/** The tagged answer. */
export const compressionStarted = new RegExp(`^[^ *+]+ OK ${compressionStartedText}`)

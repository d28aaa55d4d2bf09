// The certificate in use, which may be replaced while the node runs.

export interface TlsMaterial {
  /** PEM texts. */
  current(): { key: string; cert: string }
  /** Called after the certificate was replaced. Returns the way to stop. */
  onChange(listener: () => void): () => void
}

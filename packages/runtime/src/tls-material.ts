// The certificate in use, which may be replaced while the node runs.

export interface TlsMaterial {
  /** PEM texts. `clientAuthorities`: whose client certificates may log people in; without it clients are not asked for any. */
  current(): { key: string; cert: string; clientAuthorities?: string | undefined }
  /** Called after the certificate was replaced. Returns the way to stop. */
  onChange(listener: () => void): () => void
}

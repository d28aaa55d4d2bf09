// The full-text index (being built): what a search asks before it opens any body.
export {}

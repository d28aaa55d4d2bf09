// What every node serves by HTTP besides mail (being built): discovery documents, health, metrics.
export {}

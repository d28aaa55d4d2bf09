// Reports in memory.
import type { CollectedDay, DayKey, ReceivedReport, ReportStore } from '@skein/reports'

export function createMemoryReportStore(): ReportStore {
  const days = new Map<string, string>()
  const received = new Map<string, string>()
  const keyOf = ({ kind, day, domain }: DayKey) => `${kind}!${day}!${domain}`
  const parsed = <Value>(text: string | undefined) => (text === undefined ? undefined : (JSON.parse(text) as Value))
  return {
    async putDays(added) {
      for (const day of added) days.set(keyOf(day), JSON.stringify(day))
    },
    getDay: async (key) => parsed<CollectedDay>(days.get(keyOf(key))),
    async *days() {
      for (const key of [...days.keys()].sort()) {
        const day = parsed<CollectedDay>(days.get(key))
        if (day) yield day
      }
    },
    async removeDays(keys) {
      for (const key of keys) days.delete(keyOf(key))
    },
    async putReceived(report) {
      received.set(report.id, JSON.stringify(report))
    },
    getReceived: async (id) => parsed<ReceivedReport>(received.get(id)),
    async *received() {
      for (const id of [...received.keys()].sort().reverse()) {
        const report = parsed<ReceivedReport>(received.get(id))
        if (report) yield report
      }
    },
    async removeReceived(ids) {
      for (const id of ids) received.delete(id)
    },
  }
}

// Reports in memory.
import type { CollectedDay, DayKey, ReceivedReport, ReportStore } from '@skein/reports'

export function createMemoryReportStore(): ReportStore {
  const days = new Map<string, string>()
  const received = new Map<string, string>()
  const keyOf = ({ kind, day, domain }: DayKey) => `${kind}!${day}!${domain}`
  const parsed = (text: string | undefined): unknown => (text === undefined ? undefined : JSON.parse(text))
  return {
    async putDays(added) {
      for (const day of added) days.set(keyOf(day), JSON.stringify(day))
    },
    getDay: async (key) => parsed(days.get(keyOf(key))) as CollectedDay | undefined,
    async *days() {
      for (const key of [...days.keys()].sort()) {
        const day = parsed(days.get(key)) as CollectedDay | undefined
        if (day) yield day
      }
    },
    async removeDays(keys) {
      for (const key of keys) days.delete(keyOf(key))
    },
    async putReceived(report) {
      received.set(report.id, JSON.stringify(report))
    },
    getReceived: async (id) => parsed(received.get(id)) as ReceivedReport | undefined,
    async *received() {
      for (const id of [...received.keys()].sort().reverse()) {
        const report = parsed(received.get(id)) as ReceivedReport | undefined
        if (report) yield report
      }
    },
    async removeReceived(ids) {
      for (const id of ids) received.delete(id)
    },
  }
}

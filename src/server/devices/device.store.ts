// Devices and who holds them, in the database.
import { deviceKinds } from '../../shared/run-spec.ts'
import type { Database } from '../database/database.ts'
import type { PastAttempt } from './device-fault.ts'
import type { DeviceAvailability, DeviceRecord, FoundDevice } from './device.record.ts'

export interface DeviceStore {
  /** CPU partitions first, each kind by number. */
  list(): Promise<DeviceRecord[]>
  /**
   * Records what discovery found; devices known from before and not found now are kept as absent. Whether a device takes
   * runs stays as it was.
   */
  replace(found: readonly FoundDevice[]): Promise<void>
  setAvailability(name: string, change: AvailabilityChange): Promise<void>
  /** Attempts that had the device, were leased after a time and are over, the newest first. */
  listAttempts(name: string, after: Date | null, limit: number): Promise<PastAttempt[]>
}

export interface AvailabilityChange {
  availability: DeviceAvailability
  reason: string | null
  since: Date
}

export function createDeviceStore({ prisma }: Database): DeviceStore {
  return {
    async list() {
      const [devices, leases] = await Promise.all([prisma.device.findMany(), prisma.lease.findMany()])
      const holders = new Map(leases.map(({ deviceName, runId }) => [deviceName, runId]))
      return devices
        .map(({ kind, ...device }) => ({ ...device, kind: kindOf(kind), runId: holders.get(device.name) ?? null }))
        .sort((a, b) => deviceKinds.indexOf(a.kind) - deviceKinds.indexOf(b.kind) || a.ordinal - b.ordinal)
    },
    async replace(found) {
      await prisma.$transaction([
        prisma.device.updateMany({ data: { present: false } }),
        ...found.map(({ name, ...device }) => {
          const data = { ...device, present: true }
          return prisma.device.upsert({ where: { name }, create: { name, ...data }, update: data })
        }),
      ])
    },
    async setAvailability(name, { availability, reason, since }) {
      const data = { availability, availabilityReason: reason, availabilitySince: since }
      await prisma.device.update({ where: { name }, data })
    },
    async listAttempts(name, after, limit) {
      const rows = await prisma.attempt.findMany({
        where: {
          deviceNames: { has: name },
          releasedAt: { not: null },
          ...(after === null ? {} : { leasedAt: { gt: after } }),
        },
        orderBy: { releasedAt: 'desc' },
        take: limit,
      })
      return rows.map(({ runId, number, fault }) => ({ runId, number, fault }))
    },
  }
}

function kindOf(text: string): DeviceRecord['kind'] {
  const kind = deviceKinds.find((candidate) => candidate === text)
  if (kind === undefined) throw new Error(`unknown device kind ${text} in the database`)
  return kind
}

// Takes devices out of service and back into it, as users ask.
import { invalidInput, TrainqlError } from '../../shared/errors.ts'
import type { DeviceAvailability, DeviceRecord } from './device.record.ts'
import type { DeviceStore } from './device.store.ts'

/** Each returns when the queue knows of it, with the device as it is then. */
export interface DeviceAvailabilityService {
  /**
   * It takes no more runs; the one that it has goes on.
   * @throws TrainqlError `NOT_FOUND`, `INVALID_INPUT`; `CONFLICT` for one in quarantine
   */
  drain(name: string, reason: string | null): Promise<DeviceRecord>
  /**
   * It takes no more runs; the one that it has writes a checkpoint and is queued again.
   * @throws TrainqlError `NOT_FOUND`, `INVALID_INPUT`
   */
  disable(name: string, reason: string | null): Promise<DeviceRecord>
  /** It takes runs again, whatever took it out of service. @throws TrainqlError `NOT_FOUND` */
  enable(name: string): Promise<DeviceRecord>
}

export interface DeviceAvailabilityServiceDeps {
  store: DeviceStore
  /** Resolves when the queue has been looked at anew. */
  onChange: () => Promise<void>
  now: () => Date
}

const longestReason = 500

export function createDeviceAvailabilityService(deps: DeviceAvailabilityServiceDeps): DeviceAvailabilityService {
  const { store, onChange, now } = deps

  async function get(name: string): Promise<DeviceRecord> {
    const devices = await store.list()
    const found = devices.find((device) => device.name === name)
    if (found !== undefined) return found
    throw new TrainqlError({
      code: 'NOT_FOUND',
      message: `There is no device "${name}"; there are ${devices.map((device) => device.name).join(', ')}.`,
      fix: 'Name a device that the query `devices` lists.',
    })
  }

  async function set(name: string, availability: DeviceAvailability, reason: string | null): Promise<DeviceRecord> {
    // Said once more, it is so since the first time; the reason is the latest.
    const { availability: before, availabilitySince } = await get(name)
    const since = before === availability ? (availabilitySince ?? now()) : now()
    await store.setAvailability(name, { availability, reason, since })
    await onChange()
    return get(name)
  }

  return {
    async drain(name, reason) {
      const words = parseReason(reason)
      const { availability, availabilityReason } = await get(name)
      if (availability !== 'QUARANTINED') return set(name, 'DRAINING', words)
      throw new TrainqlError({
        code: 'CONFLICT',
        message: `The device ${name} is in quarantine and takes no runs: ${availabilityReason ?? 'no reason is known'}.`,
        fix: 'Enable it once it is mended, or disable it.',
      })
    },
    disable: async (name, reason) => set(name, 'DISABLED', parseReason(reason)),
    enable: (name) => set(name, 'ACTIVE', null),
  }
}

/** Blank is none. */
function parseReason(reason: string | null): string | null {
  const words = reason?.trim() ?? ''
  if (words.length <= longestReason) return words === '' ? null : words
  throw invalidInput({
    field: 'reason',
    message: `Expected a reason of at most ${longestReason} characters; got ${words.length}.`,
    fix: 'Say it in fewer words.',
  })
}

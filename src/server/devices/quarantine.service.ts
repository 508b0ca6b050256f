// Takes devices out of service on which one trainer after the other has died by a fault.
import type { Log } from '../log.ts'
import type { DeviceStore } from './device.store.ts'
import { faultsToQuarantine, quarantineReason } from './device-fault.ts'

export interface QuarantineService {
  /** Looks at what the latest attempts on these devices came to; null: on all. */
  look(names: readonly string[] | null): Promise<void>
}

export interface QuarantineServiceDeps {
  store: DeviceStore
  log: Log
  now: () => Date
}

export function createQuarantineService({ store, log, now }: QuarantineServiceDeps): QuarantineService {
  return {
    async look(names) {
      for (const { name, availability, availabilitySince } of await store.list()) {
        // Whoever has it drained or disabled looks after it already.
        if (availability !== 'ACTIVE' || names?.includes(name) === false) continue
        // What was before it was enabled again has been forgiven.
        const reason = quarantineReason(await store.listAttempts(name, availabilitySince, faultsToQuarantine))
        if (reason === null) continue
        await store.setAvailability(name, { availability: 'QUARANTINED', reason, since: now() })
        log.warn(`The device ${name} is in quarantine and takes no more runs: ${reason}.`)
      }
    },
  }
}

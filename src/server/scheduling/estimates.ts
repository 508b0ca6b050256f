// How long runs are expected to take, as the queue asks: whoever knows answers, and null says that nobody can tell.
import type { DeviceRecord } from '../devices/device.record.ts'
import type { PlannedRun } from '../runs/run.record.ts'

export interface Estimates {
  /** Takes in which devices there are and what has been measured since; never rejects. The answers below rest on it. */
  refresh(devices: readonly DeviceRecord[]): Promise<void>
  /** Seconds from the start of a queued run's next attempt on so many devices to the run's end. */
  expectedSeconds(run: PlannedRun, devices: number): number | null
  /** When a run that holds devices is expected to end; a time that has passed: it takes longer than was expected. */
  expectedEnd(run: PlannedRun): Date | null
}

// What past runs were measured to be, as plain records.
import type { DeviceKind } from '../../shared/run-spec.ts'
import type { Workload } from './workload.ts'

/** The devices that a run gets, or has had. */
export interface Place {
  kind: DeviceKind
  devices: number
  /** What computes: the cores that its CPU devices have between them, or its GPUs. */
  units: number
}

/** What one run was measured to be, on the devices of its latest attempt that came to the end of an epoch. */
export interface MeasuredRun {
  runId: string
  attempt: number
  workload: Workload
  place: Place
  /** As it names itself: `native`. */
  engine: string
  /** Of training: the median of its latest epochs. */
  imagesPerSecond: number
  /** Of an epoch, likewise. */
  validationSeconds: number
  /** From getting its devices to its first step. */
  startSeconds: number
  /** Between epochs: checkpoints. Null before it has succeeded. */
  restSeconds: number | null
  /** The last epoch that it came to the end of. */
  lastEpoch: number
}

export type Likeness =
  /** The same model, images, batch, shards and devices. */
  | 'SAME'
  /** The same model and images. */
  | 'SCALED'
  /** The same engine, precision and kind of device. */
  | 'PROFILE'

// Plain records of the runs room: what the store keeps and the service reasons about.
import { z } from 'zod'
import type { PauseReason, RunEvent } from '../../shared/events.ts'
import type { LoadReport } from '../../shared/load-report.ts'
import type { RunPlan } from '../../shared/run-plan.ts'
import type { Architecture, DeviceRequest, EngineChoice, RunSpec } from '../../shared/run-spec.ts'
import type { RunState } from '../../shared/run-state.ts'

export interface RunFailureRecord {
  code: string
  message: string
  fix: string
  step: number | null
  nonFinite: boolean
}

export const replicaStallSchema = z.object({
  replica: z.number(),
  device: z.string(),
  /** Global steps that the replica has done. */
  step: z.number(),
  since: z.iso.datetime(),
})
/** A replica that does not move. */
export type ReplicaStall = z.output<typeof replicaStallSchema>

export interface RunRecord {
  id: string
  name: string | null
  state: RunState
  architecture: Architecture
  dataset: string
  epochs: number
  globalBatch: number
  shards: number
  engineChoice: EngineChoice
  learningRate: number
  seed: bigint
  spec: RunSpec
  /** Latest attempt; 0 before the first lease. */
  attempt: number
  /** Devices it holds, or last held. */
  deviceNames: string[]
  engine: string | null
  engineDetail: string | null
  parameters: bigint | null
  /** In the order of the labels; empty before it started, and where an earlier version did not say. */
  classNames: string[]
  inputChannels: number | null
  /** Key of the checkpoint that its spec says to start from. */
  initialFrom: string | null
  /** What came of loading that. */
  loadReport: LoadReport | null
  /** Name of its own checkpoint that the latest attempt goes on from. */
  resumeFrom: string | null
  /** Devices asked for when it was last resumed; null: those of the spec. */
  resumeDevices: DeviceRequest | null
  stepsPerEpoch: number
  epoch: number
  step: number
  loss: number | null
  imagesPerSecond: number | null
  failure: RunFailureRecord | null
  priority: number
  version: number
  stateSince: Date | null
  pauseReason: PauseReason | null
  tries: number
  startedAttempt: number
  notBefore: Date | null
  waitingSince: Date | null
  backfilledUntil: Date | null
  stall: ReplicaStall | null
  plan: RunPlan | null
  /** Id of the run that this one was made from. */
  forkedFrom: string | null
  /** Position of its newest event; 0 before the first. */
  lastCursor: number
  createdAt: Date
  startedAt: Date | null
  finishedAt: Date | null
}

/** What the queue plans by, of every run that waits or holds devices, at each look. */
export type PlannedRun = Pick<RunRecord, 'id' | 'state' | 'createdAt' | 'spec' | 'plan' | PlannedProgress>
type PlannedProgress =
  | ('attempt' | 'startedAttempt' | 'tries' | 'notBefore' | 'resumeFrom' | 'resumeDevices' | 'deviceNames')
  | ('globalBatch' | 'stepsPerEpoch' | 'step' | 'imagesPerSecond')
  | ('priority' | 'stateSince' | 'waitingSince' | 'backfilledUntil')

/** One trainer's turn at a run. */
export interface RunAttemptRecord {
  runId: string
  number: number
  deviceNames: string[]
  leasedAt: Date
  startedAt: Date | null
  /** Global steps that were done before it. */
  startStep: number | null
  releasedAt: Date | null
  fault: string | null
}

/** An event with its position in the run's stream, from 1. */
export interface StoredEvent {
  cursor: number
  event: RunEvent
}

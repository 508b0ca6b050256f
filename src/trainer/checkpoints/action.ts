// What an action of the checkpoint process is: one module in `actions/`, loaded when it is asked for, so that inspecting
// a file loads no engine.
import type { CheckpointAnswer, CheckpointRequest } from '../../shared/checkpoint-tool.ts'

export type RequestOf<Action extends CheckpointRequest['action']> = Extract<CheckpointRequest, { action: Action }>

/** Says how far an action is; as often as it likes. */
export type Say = (progress: Extract<CheckpointAnswer, { kind: 'PROGRESS' }>) => void

export type Result = Exclude<CheckpointAnswer, { kind: 'PROGRESS' | 'FAILED' }>

/**
 * `run` of each module. What it writes under a temporary name it notes with `markUnfinished`. Its `TrainqlError` becomes
 * a FAILED answer, that of a `LoadRefused` with the report.
 */
export type RunAction<Action extends CheckpointRequest['action']> = (
  request: RequestOf<Action>,
  say: Say,
) => Promise<Result>

// The public face of the package: `import { createClient } from 'trainql'`.
export { createClient } from './client.ts'
export type {
  CallOptions,
  Checkpoint,
  Client,
  ClientOptions,
  Dataset,
  Device,
  EpochMetrics,
  Evaluation,
  LoadReport,
  ModelSummary,
  Page,
  ResumeOptions,
  Run,
  RunEventsOptions,
  ServerInfo,
} from './client.ts'
export type { RetryOptions } from './backoff.ts'
export { TrainqlClientError, TrainqlFailure, TrainqlGraphqlError, TrainqlNetworkError } from './errors.ts'
export type { GraphqlErrorShape } from './errors.ts'
export type { Fetch } from './http.ts'
export type { EventStream } from './stream.ts'
export type { Reconnect, RunEvent } from './subscribe.ts'
export type {
  Architecture,
  AugmentationInput,
  CheckpointOrigin,
  CorruptImagePolicy,
  CreateRunInput,
  DeviceKind,
  DevicesInput,
  DeviceState,
  EngineChoice,
  ModelSummaryInput,
  NonFinitePolicy,
  OptimizerInput,
  OptimizerKind,
  Precision,
  RunState,
  ScheduleInput,
  ScheduleKind,
} from './generated/schema.ts'

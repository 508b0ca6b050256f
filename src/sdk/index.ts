// The public face of the package: `import { createClient } from 'trainql'`.
export { createClient } from './client.ts'
export type {
  CallOptions,
  Client,
  ClientOptions,
  Dataset,
  Device,
  ModelSummary,
  Page,
  Run,
  RunEventsOptions,
  ServerInfo,
  WaitOptions,
} from './client.ts'
export type {
  EpochMetrics,
  Evaluation,
  ExportMetricsOptions,
  MetricsDownload,
  MetricsMethods,
  StepMetrics,
  StepMetricsOptions,
} from './metrics.ts'
export type { PlannedRun, PlanningMethods, RunPlan } from './planning.ts'
export type { ImageContent, ImagePrediction, PredictionMethods, PredictOptions } from './predictions.ts'
export type { ResumeOptions, RunControlMethods, RunControlOptions } from './run-control.ts'
export type {
  Checkpoint,
  CheckpointMethods,
  CheckpointSource,
  Download,
  DownloadOptions,
  ExportOptions,
  ImportOptions,
  Inspection,
  InspectOptions,
  LoadReport,
  PretrainedWeights,
  Verification,
} from './checkpoints.ts'
export type { RetryOptions } from './backoff.ts'
export {
  TrainqlClientError,
  TrainqlFailure,
  TrainqlGraphqlError,
  TrainqlLoadRefused,
  TrainqlNetworkError,
} from './errors.ts'
export type { CurrentRun, GraphqlErrorShape } from './errors.ts'
export type { Fetch } from './http.ts'
export type { EventStream } from './stream.ts'
export type { Reconnect, RunEvent } from './subscribe.ts'
export type {
  Architecture,
  AugmentationInput,
  CheckpointOrigin,
  CheckpointPolicyInput,
  CorruptImagePolicy,
  CreateRunInput,
  DeviceKind,
  DevicesInput,
  DeviceState,
  EngineChoice,
  ExportFormat,
  ForkChangesInput,
  ForkRunInput,
  InitialiseInput,
  MetricsFormat,
  MetricsKind,
  ModelSummaryInput,
  NonFinitePolicy,
  OptimizerInput,
  OptimizerKind,
  Precision,
  PauseReason,
  PretrainedName,
  RetryInput,
  RunAction,
  RunState,
  ScheduleInput,
  ScheduleKind,
} from './generated/schema.ts'

// Builds the executable schema from the resolvers: type-graphql, code first, with a container made by hand.
import 'reflect-metadata'
import { type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql'
import { buildSchemaSync, type NonEmptyArray } from 'type-graphql'
import { CheckpointKeepingResolver } from './checkpoints/checkpoint-keeping.resolver.ts'
import { CheckpointTransferResolver } from './checkpoints/checkpoint-transfer.resolver.ts'
import { CheckpointResolver, RunCheckpointsResolver } from './checkpoints/checkpoint.resolver.ts'
import { PredictionResolver } from './checkpoints/prediction.resolver.ts'
import { DatasetResolver } from './datasets/dataset.resolver.ts'
import { DeviceResolver } from './devices/device.resolver.ts'
import { ServerResolver } from './engines/engine.resolver.ts'
import { Failure } from './failures/failure.type.ts'
import { ConfusionMatrixResolver, EpochClassesResolver } from './metrics/epoch-classes.resolver.ts'
import { EpochMetricsResolver } from './metrics/epoch-metrics.resolver.ts'
import { MetricsExportResolver } from './metrics/metrics-export.resolver.ts'
import { StepMetricsResolver } from './metrics/step-metrics.resolver.ts'
import { ModelSummaryResolver } from './models/model-summary.resolver.ts'
import { NodeResolver } from './node.resolver.ts'
import { PlanningResolver, RunPlanResolver } from './planning/planning.resolver.ts'
import {
  DeletedCheckpointResolver,
  type EventCheckpointResolver,
  PinnedCheckpointResolver,
  ResumedCheckpointResolver,
  RetriedCheckpointResolver,
  WrittenCheckpointResolver,
  YieldedCheckpointResolver,
} from './runs/run-event-checkpoint.resolver.ts'
import { ConflictRunResolver, RunControlResolver } from './runs/run-control.resolver.ts'
import { RunCourseResolver } from './runs/run-course.resolver.ts'
import { RunEventResolver } from './runs/run-event.resolver.ts'
import { RunResolver } from './runs/run.resolver.ts'

/** Every resolver class, with the maker of its one instance. The order is that of the classes in `schema.ts` alone. */
export interface Resolvers {
  node: NodeResolver
  server: ServerResolver
  devices: DeviceResolver
  datasets: DatasetResolver
  models: ModelSummaryResolver
  runs: RunResolver
  runControl: RunControlResolver
  conflictRun: ConflictRunResolver
  planning: PlanningResolver
  runPlan: RunPlanResolver
  runCourse: RunCourseResolver
  runEvents: RunEventResolver
  epochMetrics: EpochMetricsResolver
  stepMetrics: StepMetricsResolver
  metricsExport: MetricsExportResolver
  epochClasses: EpochClassesResolver
  confusionMatrix: ConfusionMatrixResolver
  checkpoints: CheckpointResolver
  checkpointTransfer: CheckpointTransferResolver
  checkpointKeeping: CheckpointKeepingResolver
  predictions: PredictionResolver
  runCheckpoints: RunCheckpointsResolver
  writtenCheckpoint: EventCheckpointResolver
  pinnedCheckpoint: EventCheckpointResolver
  deletedCheckpoint: EventCheckpointResolver
  resumedCheckpoint: EventCheckpointResolver
  retriedCheckpoint: EventCheckpointResolver
  yieldedCheckpoint: EventCheckpointResolver
}

const resolverClasses: NonEmptyArray<abstract new (...args: never[]) => object> = [
  NodeResolver,
  ServerResolver,
  DeviceResolver,
  DatasetResolver,
  ModelSummaryResolver,
  RunResolver,
  RunControlResolver,
  ConflictRunResolver,
  PlanningResolver,
  RunPlanResolver,
  RunCourseResolver,
  RunEventResolver,
  EpochMetricsResolver,
  StepMetricsResolver,
  MetricsExportResolver,
  EpochClassesResolver,
  ConfusionMatrixResolver,
  CheckpointResolver,
  CheckpointTransferResolver,
  CheckpointKeepingResolver,
  PredictionResolver,
  RunCheckpointsResolver,
  WrittenCheckpointResolver,
  PinnedCheckpointResolver,
  DeletedCheckpointResolver,
  ResumedCheckpointResolver,
  RetriedCheckpointResolver,
  YieldedCheckpointResolver,
]

/** `resolvers` is left out where only the schema's shape is wanted. */
export function createSchema(resolvers?: Resolvers): GraphQLSchema {
  const instances = new Map<unknown, object>(
    Object.values(resolvers ?? {}).map((one: object) => [one.constructor, one]),
  )
  return buildSchemaSync({
    resolvers: resolverClasses,
    orphanedTypes: [Failure],
    container: { get: (resolverClass) => instances.get(resolverClass) },
    // Input is parsed by the services, which speak to every transport alike.
    validate: false,
    // Events come from the run feed: type-graphql asks for a hub even where every subscription brings its own source.
    pubSub: {
      publish: () => undefined,
      subscribe: () => {
        throw new Error('no subscription of this schema reads from a hub')
      },
    },
  })
}

/** The schema as committed in `schema.graphql`. */
export function printSortedSchema(schema: GraphQLSchema): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`
}

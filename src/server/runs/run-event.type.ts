// The events of a run as GraphQL shows them: one type each, all with the event's identity and its cursor.
import { Field, Float, ID, Int, InterfaceType, ObjectType, createUnionType } from 'type-graphql'
import type { Precision } from '../../shared/recipe.ts'
import type { RunState } from '../../shared/run-state.ts'
import { LoadReport } from '../checkpoints/load-report.type.ts'
import { connectionType } from '../connection.type.ts'
import { InvalidInputFailure, NotFoundFailure } from '../failures/failure.type.ts'
import { EpochMetrics } from '../metrics/epoch-metrics.type.ts'
import { BigIntScalar, DateTimeScalar } from '../scalars.ts'
import { PrecisionEnum } from './recipe.type.ts'
import { RunFailure, RunStateEnum } from './run.type.ts'

@InterfaceType('RunEvent', {
  autoRegisterImplementations: true,
  resolveType: (value: { __typename: string }) => value.__typename,
})
export abstract class RunEvent {
  @Field(() => String, {
    description: "Position in the run's event stream; give it as `after` to continue behind this event.",
  })
  cursor!: string

  @Field(() => ID)
  runId!: string

  @Field(() => Int, { description: 'Attempt that wrote it; 0 for the server.' })
  attempt!: number

  @Field(() => BigIntScalar, { description: 'Without gaps from 1 within an attempt.' })
  seq!: bigint

  @Field(() => DateTimeScalar)
  at!: Date
}

@ObjectType('QueuedEvent', { implements: RunEvent })
export class QueuedEvent extends RunEvent {
  __typename!: 'QueuedEvent'
}

@ObjectType('LeasedEvent', { implements: RunEvent })
export class LeasedEvent extends RunEvent {
  __typename!: 'LeasedEvent'

  @Field(() => Int)
  toAttempt!: number

  @Field(() => [String])
  devices!: string[]
}

@ObjectType('DecodingEvent', {
  implements: RunEvent,
  description: 'Before StartedEvent, every few seconds, where the images of a dataset are decoded for the first time.',
})
export class DecodingEvent extends RunEvent {
  __typename!: 'DecodingEvent'

  @Field(() => Int, { description: 'Done so far.' })
  images!: number

  @Field(() => Int)
  ofImages!: number

  @Field(() => Int, { description: 'Of those done, how many cannot be decoded.' })
  corruptImages!: number
}

@ObjectType('StartedEvent', { implements: RunEvent })
export class StartedEvent extends RunEvent {
  __typename!: 'StartedEvent'

  @Field(() => String)
  engine!: string

  @Field(() => String)
  engineDetail!: string

  @Field(() => [String])
  devices!: string[]

  @Field(() => Int)
  shards!: number

  @Field(() => Int)
  globalBatch!: number

  @Field(() => Int)
  epochs!: number

  @Field(() => Int)
  stepsPerEpoch!: number

  @Field(() => BigIntScalar)
  parameters!: bigint

  @Field(() => Int)
  trainImages!: number

  @Field(() => Int)
  validationImages!: number

  @Field(() => Int, { description: 'Left out because they cannot be decoded.' })
  skippedImages!: number

  @Field(() => PrecisionEnum)
  precision!: Precision

  @Field(() => Int)
  accumulationSteps!: number

  @Field(() => Boolean)
  syncBatchNorm!: boolean

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'What the engine holds: weights, gradients, optimiser state, activations.',
  })
  memoryBytes!: bigint | null
}

@ObjectType('InitialisedEvent', {
  implements: RunEvent,
  description: 'Behind StartedEvent, where the first weights are those of a checkpoint.',
})
export class InitialisedEvent extends RunEvent {
  __typename!: 'InitialisedEvent'

  @Field(() => String, { description: 'The checkpoint, as the run names it, such as "imported/<id>".' })
  from!: string

  @Field(() => LoadReport)
  report!: LoadReport
}

@ObjectType('StepEvent', { implements: RunEvent })
export class StepEvent extends RunEvent {
  __typename!: 'StepEvent'

  @Field(() => Int)
  epoch!: number

  @Field(() => Int)
  step!: number

  @Field(() => Float, { nullable: true })
  loss!: number | null

  @Field(() => Boolean)
  nonFinite!: boolean

  @Field(() => Float)
  learningRate!: number

  @Field(() => Float)
  imagesPerSecond!: number
}

@ObjectType('EpochEvent', { implements: RunEvent })
export class EpochEvent extends RunEvent {
  __typename!: 'EpochEvent'

  @Field(() => EpochMetrics)
  metrics!: EpochMetrics
}

@ObjectType('CheckpointEvent', { implements: RunEvent })
export class CheckpointEvent extends RunEvent {
  __typename!: 'CheckpointEvent'

  /** For the field `checkpoint`. */
  checkpointKey!: string
}

@ObjectType('CheckpointFailedEvent', {
  implements: RunEvent,
  description: 'A checkpoint could not be written. The one before it is whole; training goes on where the run says so.',
})
export class CheckpointFailedEvent extends RunEvent {
  __typename!: 'CheckpointFailedEvent'

  @Field(() => String, { description: 'The checkpoint that is not there.' })
  name!: string

  @Field(() => Int)
  epoch!: number

  @Field(() => Int)
  step!: number

  @Field(() => String)
  code!: string

  @Field(() => String)
  message!: string

  @Field(() => String)
  fix!: string
}

@ObjectType('CheckpointsRemovedEvent', {
  implements: RunEvent,
  description: "Checkpoints that the run's policy does not keep, and that are no more.",
})
export class CheckpointsRemovedEvent extends RunEvent {
  __typename!: 'CheckpointsRemovedEvent'

  @Field(() => [String])
  names!: string[]
}

@ObjectType('CheckpointDamagedEvent', {
  implements: RunEvent,
  description: 'The checkpoint to go on from cannot be used, and an earlier one is.',
})
export class CheckpointDamagedEvent extends RunEvent {
  __typename!: 'CheckpointDamagedEvent'

  @Field(() => String)
  name!: string

  @Field(() => String, { description: 'What is wrong with it.' })
  message!: string

  @Field(() => String, { description: 'The checkpoint that the attempt goes on from.' })
  resumedFrom!: string
}

@ObjectType('FinishedEvent', { implements: RunEvent })
export class FinishedEvent extends RunEvent {
  __typename!: 'FinishedEvent'

  @Field(() => Int)
  epochs!: number

  @Field(() => Int)
  step!: number

  @Field(() => Float)
  wallSeconds!: number
}

@ObjectType('FailedEvent', { implements: RunEvent })
export class FailedEvent extends RunEvent {
  __typename!: 'FailedEvent'

  @Field(() => RunFailure)
  failure!: RunFailure

  @Field(() => String, { nullable: true })
  lastCheckpoint!: string | null
}

@ObjectType('StoppedEvent', { implements: RunEvent })
export class StoppedEvent extends RunEvent {
  __typename!: 'StoppedEvent'

  @Field(() => Int)
  step!: number

  @Field(() => String, { nullable: true })
  lastCheckpoint!: string | null
}

@ObjectType('CancelRequestedEvent', { implements: RunEvent })
export class CancelRequestedEvent extends RunEvent {
  __typename!: 'CancelRequestedEvent'
}

@ObjectType('ReleasedEvent', { implements: RunEvent })
export class ReleasedEvent extends RunEvent {
  __typename!: 'ReleasedEvent'

  @Field(() => Int)
  toAttempt!: number

  @Field(() => [String])
  devices!: string[]
}

@ObjectType('RunEndedEvent', { implements: RunEvent })
export class RunEndedEvent extends RunEvent {
  __typename!: 'RunEndedEvent'

  @Field(() => RunStateEnum)
  state!: RunState

  @Field(() => RunFailure, { nullable: true })
  failure!: RunFailure | null
}

@ObjectType('ResumeRequestedEvent', {
  implements: RunEvent,
  description: 'A run that had failed or been canceled is queued again.',
})
export class ResumeRequestedEvent extends RunEvent {
  __typename!: 'ResumeRequestedEvent'
  /** For the field `checkpoint`; null where it has none and starts over. */
  checkpointKey!: string | null
}

@ObjectType('CheckpointPinnedEvent', { implements: RunEvent })
export class CheckpointPinnedEvent extends RunEvent {
  __typename!: 'CheckpointPinnedEvent'
  checkpointKey!: string

  @Field(() => Boolean)
  pinned!: boolean
}

@ObjectType('CheckpointDeletedEvent', { implements: RunEvent })
export class CheckpointDeletedEvent extends RunEvent {
  __typename!: 'CheckpointDeletedEvent'
  checkpointKey!: string
}

export type AnyRunEvent =
  | QueuedEvent
  | LeasedEvent
  | DecodingEvent
  | StartedEvent
  | InitialisedEvent
  | StepEvent
  | EpochEvent
  | CheckpointEvent
  | CheckpointFailedEvent
  | CheckpointsRemovedEvent
  | CheckpointDamagedEvent
  | FinishedEvent
  | FailedEvent
  | StoppedEvent
  | CancelRequestedEvent
  | ReleasedEvent
  | RunEndedEvent
  | ResumeRequestedEvent
  | CheckpointPinnedEvent
  | CheckpointDeletedEvent

export const RunEventConnection = connectionType<AnyRunEvent>('RunEvent', () => RunEvent)

export type RunEventsItem = AnyRunEvent | NotFoundFailure | InvalidInputFailure

export const RunEventsItemUnion = createUnionType({
  name: 'RunEventsItem',
  types: () =>
    [
      QueuedEvent,
      LeasedEvent,
      DecodingEvent,
      StartedEvent,
      InitialisedEvent,
      StepEvent,
      EpochEvent,
      CheckpointEvent,
      CheckpointFailedEvent,
      CheckpointsRemovedEvent,
      CheckpointDamagedEvent,
      FinishedEvent,
      FailedEvent,
      StoppedEvent,
      CancelRequestedEvent,
      ReleasedEvent,
      RunEndedEvent,
      ResumeRequestedEvent,
      CheckpointPinnedEvent,
      CheckpointDeletedEvent,
      NotFoundFailure,
      InvalidInputFailure,
    ] as const,
  resolveType: (value: RunEventsItem) => value.__typename,
})

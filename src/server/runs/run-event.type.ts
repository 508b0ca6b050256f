// The events of a run as GraphQL shows them: one type each, all with the event's identity and its cursor.
import { Field, Float, ID, Int, InterfaceType, ObjectType, createUnionType } from 'type-graphql'
import type { Precision } from '../../shared/recipe.ts'
import type { PauseReason } from '../../shared/events.ts'
import type { RunState } from '../../shared/run-state.ts'
import { LoadReport } from '../checkpoints/load-report.type.ts'
import { connectionType } from '../connection.type.ts'
import { InvalidInputFailure, NotFoundFailure } from '../failures/failure.type.ts'
import { EpochMetrics } from '../metrics/epoch-metrics.type.ts'
import { BigIntScalar, DateTimeScalar } from '../scalars.ts'
import { PrecisionEnum } from './recipe.type.ts'
import { PauseReasonEnum, RunFailure, RunStateEnum } from './run.type.ts'

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

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'The devices are kept for a run before it, to which it gives them back from then on. Null: they are its own.',
  })
  backfilledUntil!: Date | null
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

  @Field(() => String, {
    nullable: true,
    description: 'A fault of the engine or of a device by which the trainer died: a signal or an error code.',
  })
  fault!: string | null
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
  description: 'A run that was paused, had failed or been canceled, or was given up as unreachable, is queued again.',
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

@ObjectType('PauseRequestedEvent', {
  implements: RunEvent,
  description: 'Its trainer takes a checkpoint and leaves.',
})
export class PauseRequestedEvent extends RunEvent {
  __typename!: 'PauseRequestedEvent'

  @Field(() => PauseReasonEnum)
  reason!: PauseReason
}

@ObjectType('PausedEvent', {
  implements: RunEvent,
  description: 'It holds no devices and waits until it is resumed.',
})
export class PausedEvent extends RunEvent {
  __typename!: 'PausedEvent'

  @Field(() => PauseReasonEnum)
  reason!: PauseReason
}

@ObjectType('YieldedEvent', {
  implements: RunEvent,
  description: 'It gave its devices to a run that was before it, and is queued again in its own place.',
})
export class YieldedEvent extends RunEvent {
  __typename!: 'YieldedEvent'
  /** For the field `checkpoint`; null where it has none and starts over. */
  checkpointKey!: string | null
}

@ObjectType('RetryScheduledEvent', {
  implements: RunEvent,
  description: 'An attempt ended by what may pass; the run is queued again.',
})
export class RetryScheduledEvent extends RunEvent {
  __typename!: 'RetryScheduledEvent'
  /** For the field `checkpoint`; null where it has none and starts over. */
  checkpointKey!: string | null

  @Field(() => RunFailure)
  failure!: RunFailure

  @Field(() => DateTimeScalar, { description: 'The next attempt does not start before.' })
  notBefore!: Date
}

@ObjectType('UnreachableEvent', {
  implements: RunEvent,
  description: 'Nothing is heard of its trainer. It may come back.',
})
export class UnreachableEvent extends RunEvent {
  __typename!: 'UnreachableEvent'

  @Field(() => Int)
  toAttempt!: number

  @Field(() => Float)
  silentSeconds!: number
}

@ObjectType('ReachableEvent', {
  implements: RunEvent,
  description: 'Its trainer is heard of again.',
})
export class ReachableEvent extends RunEvent {
  __typename!: 'ReachableEvent'

  @Field(() => Int)
  toAttempt!: number
}

@ObjectType('ReplicaStalledEvent', {
  implements: RunEvent,
  description: 'The trainer lives, and one of its replicas does not move.',
})
export class ReplicaStalledEvent extends RunEvent {
  __typename!: 'ReplicaStalledEvent'

  @Field(() => Int)
  toAttempt!: number

  @Field(() => Int)
  replica!: number

  @Field(() => String)
  device!: string

  @Field(() => Int, { description: 'Global steps that the replica has done.' })
  step!: number

  @Field(() => Float)
  stalledSeconds!: number
}

@ObjectType('ReplicaMovedEvent', {
  implements: RunEvent,
  description: 'The replica that had stalled moves again.',
})
export class ReplicaMovedEvent extends RunEvent {
  __typename!: 'ReplicaMovedEvent'

  @Field(() => Int)
  toAttempt!: number

  @Field(() => Int)
  replica!: number
}

@ObjectType('PriorityChangedEvent', {
  implements: RunEvent,
  description: 'Its place in the queue is another one.',
})
export class PriorityChangedEvent extends RunEvent {
  __typename!: 'PriorityChangedEvent'

  @Field(() => Int)
  priority!: number
}

@ObjectType('LogTornEvent', {
  implements: RunEvent,
  description: 'A trainer that died left part of a line, which was no event yet.',
})
export class LogTornEvent extends RunEvent {
  __typename!: 'LogTornEvent'

  @Field(() => Int)
  toAttempt!: number

  @Field(() => Int)
  bytes!: number
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
  | PauseRequestedEvent
  | PausedEvent
  | YieldedEvent
  | RetryScheduledEvent
  | UnreachableEvent
  | ReachableEvent
  | ReplicaStalledEvent
  | ReplicaMovedEvent
  | PriorityChangedEvent
  | LogTornEvent

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
      PauseRequestedEvent,
      PausedEvent,
      YieldedEvent,
      RetryScheduledEvent,
      UnreachableEvent,
      ReachableEvent,
      ReplicaStalledEvent,
      ReplicaMovedEvent,
      PriorityChangedEvent,
      LogTornEvent,
      NotFoundFailure,
      InvalidInputFailure,
    ] as const,
  resolveType: (value: RunEventsItem) => value.__typename,
})

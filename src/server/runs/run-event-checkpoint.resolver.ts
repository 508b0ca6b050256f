// The checkpoint that an event tells of, as it is now: by then it may be pinned, or deleted.
import { type ClassType, Ctx, FieldResolver, Resolver, Root } from 'type-graphql'
import { loadCheckpoint } from '../checkpoints/checkpoint.resolver.ts'
import { Checkpoint } from '../checkpoints/checkpoint.type.ts'
import type { Context } from '../context.ts'
import {
  CheckpointDeletedEvent,
  CheckpointEvent,
  CheckpointPinnedEvent,
  ResumeRequestedEvent,
  RetryScheduledEvent,
  YieldedEvent,
} from './run-event.type.ts'

interface AboutCheckpoint {
  checkpointKey: string | null
}

export interface EventCheckpointResolver {
  checkpoint(event: AboutCheckpoint, context: Context): Promise<Checkpoint | null>
}

type ResolverClass = new (home: string) => EventCheckpointResolver

function resolverOf(
  eventType: ClassType<AboutCheckpoint>,
  options: { nullable?: boolean; description?: string } = {},
): ResolverClass {
  @Resolver(() => eventType)
  class EventCheckpoint implements EventCheckpointResolver {
    constructor(private readonly home: string) {}

    @FieldResolver(() => Checkpoint, options)
    checkpoint(@Root() { checkpointKey }: AboutCheckpoint, @Ctx() context: Context): Promise<Checkpoint | null> {
      return loadCheckpoint(checkpointKey, context, this.home)
    }
  }
  return EventCheckpoint
}

export const WrittenCheckpointResolver = resolverOf(CheckpointEvent)
export const PinnedCheckpointResolver = resolverOf(CheckpointPinnedEvent)
export const DeletedCheckpointResolver = resolverOf(CheckpointDeletedEvent)
const goesOnFrom = { nullable: true, description: 'That it goes on from; null: it has none, and starts over.' }
export const ResumedCheckpointResolver = resolverOf(ResumeRequestedEvent, goesOnFrom)
export const RetriedCheckpointResolver = resolverOf(RetryScheduledEvent, goesOnFrom)
export const YieldedCheckpointResolver = resolverOf(YieldedEvent, goesOnFrom)

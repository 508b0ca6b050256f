// Events of a run: the list, one of them, and the subscription that replays and then follows.
import { Readable } from 'node:stream'
import { Arg, Args, FieldResolver, ID, Query, Resolver, Root, Subscription } from 'type-graphql'
import { isTrainqlError, TrainqlError } from '../../shared/errors.ts'
import { type Connection, ConnectionArgs, parseCursor, parsePage, toConnection } from '../connection.type.ts'
import type { Context } from '../context.ts'
import { findFailure } from '../failures/failure.type.ts'
import { findKeyOf } from '../node.type.ts'
import { type RunEventService, unknownRun } from './run-event.service.ts'
import {
  type AnyRunEvent,
  RunEvent,
  RunEventConnection,
  type RunEventsItem,
  RunEventsItemUnion,
} from './run-event.type.ts'
import { runEventPayload } from './run.payload.ts'
import type { StoredEvent } from './run.record.ts'
import { Run } from './run.type.ts'

interface RunEventsArgs {
  runId: string
  after?: string | null
}

@Resolver(() => Run)
export class RunEventResolver {
  constructor(private readonly runEventService: RunEventService) {}

  @Query(() => RunEvent, { nullable: true })
  async runEvent(
    @Arg('runId', () => ID) runId: string,
    @Arg('cursor', () => String) cursor: string,
  ): Promise<AnyRunEvent | null> {
    const position = findEventPosition(parseCursor(cursor) ?? '')
    const key = findKeyOf('Run', runId)
    const found = position === null || key === null ? null : await this.runEventService.find(key, position)
    return found === null ? null : runEventPayload(found)
  }

  @FieldResolver(() => RunEventConnection, { description: 'In order.' })
  async events(@Root() run: Run, @Args(() => ConnectionArgs) args: ConnectionArgs): Promise<Connection<AnyRunEvent>> {
    const page = parsePage(args, findEventPosition)
    return toConnection(page, await this.runEventService.page(run.key, page), {
      key: ({ cursor }: StoredEvent) => String(cursor),
      node: runEventPayload,
    })
  }

  @Subscription(() => RunEventsItemUnion, {
    description:
      'Every event of the run once and in order: first those after the cursor (all, without one), then each new one. Ends after RunEndedEvent.',
    subscribe: ({ args, context }: { args: RunEventsArgs; context: Context }) => openStream(context.runEvents, args),
  })
  runEvents(
    @Root() item: StoredEvent | TrainqlError,
    @Arg('runId', () => ID) _runId: string,
    @Arg('after', () => String, { nullable: true }) _after: string | null,
  ): RunEventsItem {
    if (!isTrainqlError(item)) return runEventPayload(item)
    const failure = findFailure(item)
    if (failure?.__typename === 'NotFoundFailure' || failure?.__typename === 'InvalidInputFailure') return failure
    throw item
  }
}

/** The stream a subscription reads: events, or the one expected error that says why there are none. */
function openStream(
  runEvents: RunEventService,
  { runId, after }: RunEventsArgs,
): AsyncIterable<StoredEvent | TrainqlError> {
  const key = findKeyOf('Run', runId)
  const position = typeof after === 'string' ? findEventPosition(parseCursor(after) ?? '') : 0
  if (key === null) return oneItem(unknownRun(runId))
  if (position === null) {
    return oneItem(
      new TrainqlError({
        code: 'INVALID_INPUT',
        field: 'after',
        message: `Expected the cursor of an event; got ${JSON.stringify(after)}.`,
        fix: 'Give the `cursor` of an event of this run, or leave `after` out to read from the start.',
      }),
    )
  }
  return withExpectedErrors(runEvents.follow(key, position))
}

/** Not generators: these must hand `return()` on at once, also while a `next()` is under way. */
function withExpectedErrors(
  source: AsyncIterableIterator<StoredEvent, void, undefined>,
): AsyncIterableIterator<StoredEvent | TrainqlError, void, undefined> {
  return {
    next: () =>
      source.next().catch((error: unknown) => {
        if (isTrainqlError(error)) return { done: false, value: error }
        throw error
      }),
    return: () => source.return?.() ?? Promise.resolve({ done: true, value: undefined }),
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

function oneItem<T>(item: T): AsyncIterable<T> {
  return Readable.from([item])
}

/** Position behind an event's cursor; null where the text is none. */
function findEventPosition(text: string): number | null {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : null
}

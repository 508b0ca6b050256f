// The events of a run, each once and in order, over as many sockets as it takes: after a drop it subscribes again
// behind the last event it handed over.
import { print } from 'graphql'
import { delayBeforeReturn, wait, type RetryOptions } from './backoff.ts'
import { TrainqlFailure, TrainqlNetworkError } from './errors.ts'
import { RunEventsDocument, type RunEventsSubscription } from './generated/operations.ts'
import { isFinal, type Socket } from './socket.ts'
import { subscribeOnce } from './stream.ts'

type RunEventsItem = RunEventsSubscription['runEvents']
/** One event of a run; `__typename` tells which. */
export type RunEvent = Extract<RunEventsItem, { cursor: string }>

export interface Reconnect {
  runId: string
  /** From 1; starts again once the server answers. */
  attempt: number
  /** Wait before it. */
  delayMs: number
  /** Cursor it will continue behind; `null` from the first event. */
  after: string | null
  reason: TrainqlNetworkError
}

export interface FollowOptions {
  url: string
  socket: Socket
  /** State and newest cursor of the run now; how the stream tells a run's end from a server's. */
  look: (signal: AbortSignal) => Promise<{ terminal: boolean; lastCursor: string | null }>
  retry: Required<RetryOptions>
  onReconnect: (reconnect: Reconnect) => void
}

const query = print(RunEventsDocument)

/**
 * @throws TrainqlFailure where the run does not exist or the cursor is not one of its own
 * @throws TrainqlNetworkError after `retry.attempts` attempts in a row without an answer
 */
export async function* followRun(
  { url, socket, look, retry, onReconnect }: FollowOptions,
  { runId, after }: { runId: string; after: string | null },
  signal: AbortSignal,
): AsyncGenerator<RunEvent, undefined> {
  let cursor = after
  let attempt = 0
  for (;;) {
    let reason: TrainqlNetworkError
    let ended = false
    try {
      const variables = { runId, after: cursor }
      const items = subscribeOnce<RunEventsSubscription>(
        socket,
        { query, variables, operationName: 'RunEvents' },
        signal,
      )
      for await (const { runEvents: item } of items) {
        attempt = 0
        if (!('cursor' in item)) throw new TrainqlFailure({ ...item, type: item.__typename })
        cursor = item.cursor
        // The last one, unless the run was resumed: the server knows.
        ended = item.__typename === 'RunEndedEvent'
        yield item
      }
      if (ended) return
      // Completed without the last event: nothing lay behind the cursor of an ended run, or the server is leaving.
      const { terminal, lastCursor } = await look(signal)
      if (terminal && (lastCursor === null || lastCursor === cursor)) return
      reason = new TrainqlNetworkError({
        url,
        message: 'The server ended the subscription before the run ended.',
        fix: 'Look whether the server is being stopped.',
      })
    } catch (error) {
      if (!(error instanceof TrainqlNetworkError) || isFinal(error)) throw error
      reason = error
    }
    if (++attempt > retry.attempts) throw reason
    const delayMs = delayBeforeReturn(attempt, retry, reason)
    onReconnect({ runId, attempt, delayMs, after: cursor, reason })
    await wait(delayMs, signal)
  }
}

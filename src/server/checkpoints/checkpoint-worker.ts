// Asks checkpoint processes on behalf of clients: few at once, none for ever, none past the server's own end.
import { askCheckpointProcess } from '../../shared/checkpoint-process.ts'
import type { CheckpointAnswer, CheckpointRequestInput } from '../../shared/checkpoint-tool.ts'
import { type ErrorCode, errorCodes, TrainqlError } from '../../shared/errors.ts'
import { createLimit } from '../limit.ts'
import type { Log } from '../log.ts'
import { LoadRefusal } from './load-refusal.ts'

/** A proof trains, which is a run's business. */
export type WorkerRequest = Exclude<CheckpointRequestInput, { action: 'PROVE' }>
type WorkerAction = WorkerRequest['action']
type Failed = Extract<CheckpointAnswer, { kind: 'FAILED' }>
type Answer<R extends WorkerRequest> = Exclude<Awaited<ReturnType<typeof askCheckpointProcess<R>>>, Failed>

export interface CheckpointWorker {
  /**
   * @throws LoadRefusal where a load was refused; TrainqlError as the process says, `CHECKPOINT_INVALID` where it takes
   * too long, `CONFLICT` where the server stops
   */
  ask<R extends WorkerRequest>(request: R): Promise<Answer<R>>
  /** Ends those that run and takes no more. */
  close(): Promise<void>
}

const mostAtOnce = 2
const minute = 60_000
const timeLimitMs: Record<WorkerAction, number> = {
  INSPECT: 2 * minute,
  IMPORT: 15 * minute,
  // It may have to fetch the file first.
  PRETRAINED: 60 * minute,
  EXPORT: 15 * minute,
  VERIFY: 15 * minute,
  PREDICT: 15 * minute,
}

export function createCheckpointWorker({ log }: { log: Log }): CheckpointWorker {
  const limit = createLimit(mostAtOnce)
  const closing = new AbortController()
  const running = new Set<Promise<unknown>>()

  async function run<R extends WorkerRequest>(request: R): Promise<Answer<R>> {
    const timeLimit = new AbortController()
    const ms = timeLimitMs[request.action]
    const timer = setTimeout(() => timeLimit.abort(tookTooLong(request.action, ms)), ms)
    try {
      const answer: CheckpointAnswer = await askCheckpointProcess(request, {
        signal: AbortSignal.any([closing.signal, timeLimit.signal]),
        onStderr: (text) => log.warn(`The checkpoint process (${request.action}) says: ${text.trimEnd()}`),
      })
      if (answer.kind === 'FAILED') throw failureOf(answer)
      return answer as Answer<R>
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    ask(request) {
      const asked = limit(() => run(request))
      const settled = asked.catch(() => undefined).finally(() => running.delete(settled))
      running.add(settled)
      return asked
    },
    async close() {
      closing.abort(
        new TrainqlError({
          code: 'CONFLICT',
          message: 'The server is stopping.',
          fix: 'Ask again once the server has been started again.',
        }),
      )
      await Promise.all(running)
    },
  }
}

function failureOf({ code, message, fix, report }: Failed): TrainqlError {
  if (report !== null) return new LoadRefusal({ message, fix }, report)
  return new TrainqlError({ code: isErrorCode(code) ? code : 'INTERNAL', message, fix })
}

function isErrorCode(code: string): code is ErrorCode {
  return (errorCodes as readonly string[]).includes(code)
}

function tookTooLong(action: WorkerAction, ms: number): TrainqlError {
  return new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message: `Expected an answer to ${action} within ${ms / minute} minutes; the checkpoint process was ended.`,
    fix: 'Try again when the machine is less busy; a file that takes as long again cannot be used.',
  })
}

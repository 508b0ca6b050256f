// Whatever an engine throws that is no failure of ours yet becomes one, which names the replica where the engine can tell.
import { isTrainqlError, TrainqlError } from '../../shared/errors.ts'
import type { Engine, Session, SessionSpec } from '../engine.ts'

/** The engine as it is, but for its errors: `ENGINE_FAILED`, or `OUT_OF_MEMORY` where it found none. */
export function withTypedFailures(engine: Engine): Engine {
  const { name, detail } = engine
  return {
    name,
    detail,
    async open(spec) {
      const guard = createGuard((error) => failureOf(error, { engine: name, spec }))
      return guarded(await guard(() => engine.open(spec))(), guard)
    },
  }
}

type Guard = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => (...args: A) => Promise<R>

function createGuard(typed: (error: unknown) => TrainqlError): Guard {
  return (call) =>
    async (...args) => {
      try {
        return await call(...args)
      } catch (error) {
        throw isTrainqlError(error) ? error : typed(error)
      }
    }
}

function guarded(session: Session, guard: Guard): Session {
  const profile = session.profile?.bind(session)
  return {
    queues: session.queues,
    step: guard((batch, learningRate) => session.step(batch, learningRate)),
    gradients: guard((batch) => session.gradients(batch)),
    evaluate: guard((batch) => session.evaluate(batch)),
    predict: guard((images) => session.predict(images)),
    ...(profile === undefined ? {} : { profile: guard(profile) }),
    readState: guard(() => session.readState()),
    writeState: guard((state) => session.writeState(state)),
    readOptimizerState: guard(() => session.readOptimizerState()),
    writeOptimizerState: guard((state) => session.writeOptimizerState(state)),
    get memoryBytes() {
      return session.memoryBytes
    },
    close: guard(() => session.close()),
  }
}

function failureOf(cause: unknown, { engine, spec }: { engine: string; spec: SessionSpec }): TrainqlError {
  const replica = cause instanceof Error && 'replica' in cause ? Number(cause.replica) : null
  const device = replica === null ? undefined : spec.devices[replica]?.name
  const who = device === undefined ? `The ${engine} engine` : `Replica ${replica} on ${device} (${engine})`
  const what = cause instanceof Error ? cause.message : String(cause)
  if (what.includes('bad_alloc')) {
    return new TrainqlError(
      {
        code: 'OUT_OF_MEMORY',
        message: `${who} found no memory to go on with.`,
        fix: 'Free memory on this machine, then resume the run; or fork it with a lower global batch or more shards.',
      },
      { cause },
    )
  }
  return new TrainqlError(
    {
      code: 'ENGINE_FAILED',
      message: `${who} failed: ${what}.`,
      fix: `Look into log.txt in the run directory; ${device === undefined ? 'then resume the run' : `keep ${device} out of use if it happens again there, and resume the run`}.`,
    },
    { cause },
  )
}

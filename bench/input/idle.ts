// How long an engine that trains in the real loop stands still between two steps, and what preparing batches beside it costs.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseAttempt, parseRunSpec, type AugmentationSpec } from '../../src/shared/run-spec.ts'
import type { Dataset } from '../../src/trainer/datasets/dataset.ts'
import type { Batch, Engine, Session, SessionSpec } from '../../src/trainer/engine.ts'
import { noReserve } from '../../src/trainer/disk.ts'
import { backToBack } from '../../src/trainer/back-to-back.ts'
import { openEngine } from '../../src/trainer/engines/open.ts'
import { openEventLog } from '../../src/trainer/event-log.ts'
import { train } from '../../src/trainer/loop.ts'
import { createProgress } from '../../src/trainer/progress.ts'
import { median } from '../rounds.ts'

export interface IdleTask {
  dataset: Dataset
  augmentation: AugmentationSpec
  globalBatch: number
  steps: number
  /** Cores of each device. */
  devices: readonly (readonly number[])[]
  /** For the run's files; it exists. */
  folder: string
}

export interface IdleRound {
  /** Share of the time between the first step's end and the last one's in which no step was under way. */
  idleShare: number
  secondsPerStep: number
  /** The same steps on one batch that is there already, while nothing is prepared. */
  secondsPerStepAlone: number
}

/** The first steps touch memory for the first time. */
const warmUpSteps = 3

/** One epoch of so many steps by the trainer's own loop, events and checkpoint and all. */
export async function measureIdle(task: IdleTask, round: number): Promise<IdleRound> {
  const { dataset, augmentation, globalBatch, steps } = task
  const devices = task.devices.map((cores, index) => ({
    kind: 'CPU' as const,
    name: `cpu:${index}`,
    cores: [...cores],
  }))
  const folder = join(task.folder, `round-${round}`)
  mkdirSync(join(folder, 'checkpoints'), { recursive: true })
  const spec = parseRunSpec({
    runId: 'bench',
    model: { architecture: 'RESNET18' },
    dataset: dataset.name,
    trainImages: (steps + warmUpSteps) * globalBatch,
    validationImages: globalBatch,
    epochs: 1,
    globalBatch,
    shards: devices.length,
    devices: { kind: 'COUNT', count: devices.length, deviceKind: 'CPU' },
    optimizer: { kind: 'SGD' },
    learningRate: 0.01,
    augmentation,
  })
  const attempt = parseAttempt({ runId: 'bench', attempt: 1, devices, datasetRoots: [] })
  const events = openEventLog({
    file: join(folder, 'events.1.jsonl'),
    run: 'bench',
    attempt: 1,
    reserve: noReserve,
  })
  const watched = watch(await openEngine('NATIVE', devices), steps)
  await train({
    spec,
    attempt,
    dataset,
    engine: watched.engine,
    resume: null,
    checkpoints: join(folder, 'checkpoints'),
    events,
    progress: createProgress(),
    control: { stop: new AbortController().signal, takeCheckpointRequest: () => false },
    say: () => undefined,
  })
  events.close()
  return summarise(watched.inLoop.slice(warmUpSteps - 1), watched.alone)
}

interface Interval {
  begun: number
  ended: number
}

function summarise(inLoop: readonly Interval[], alone: readonly Interval[]): IdleRound {
  const [first, last] = [inLoop[0], inLoop.at(-1)]
  if (first === undefined || last === undefined) throw new RangeError('no steps')
  const busy = inLoop.slice(1).reduce((sum, { begun, ended }) => sum + ended - begun, 0)
  const seconds = (intervals: readonly Interval[]) =>
    median(intervals.map(({ begun, ended }) => (ended - begun) / 1000))
  return {
    idleShare: 1 - busy / (last.ended - first.ended),
    secondsPerStep: seconds(inLoop.slice(1)),
    secondsPerStepAlone: seconds(alone),
  }
}

/**
 * An engine whose steps are timed, those asked for ahead from where the one before them ended; before it is closed, it repeats
 * as many on its last batch.
 */
function watch(engine: Engine, steps: number): { engine: Engine; inLoop: Interval[]; alone: Interval[] } {
  const inLoop: Interval[] = []
  const alone: Interval[] = []

  async function open(spec: SessionSpec): Promise<Session> {
    const session = await engine.open(spec)
    let last: Batch | undefined
    const repeat = async (ask: () => Promise<unknown>) => {
      const row = backToBack({ ahead: session.queues, ask, follows: (step) => step + 1 < steps })
      while ((await row.next()).done !== true);
    }
    const timed = async (batch: Batch, learningRate: number, into: Interval[]) => {
      const begun = performance.now()
      const result = await session.step(batch, learningRate)
      into.push({ begun: Math.max(begun, into.at(-1)?.ended ?? 0), ended: performance.now() })
      return result
    }
    return {
      queues: session.queues,
      step: (batch, learningRate) => {
        last = batch
        return timed(batch, learningRate, inLoop)
      },
      gradients: (batch) => session.gradients(batch),
      evaluate: (batch) => session.evaluate(batch),
      predict: (images) => session.predict(images),
      readState: () => session.readState(),
      writeState: (state) => session.writeState(state),
      readOptimizerState: () => session.readOptimizerState(),
      writeOptimizerState: (state) => session.writeOptimizerState(state),
      memoryBytes: session.memoryBytes,
      async close() {
        const batch = last
        if (batch !== undefined) await repeat(() => timed(batch, 0.01, alone))
        await session.close()
      },
    }
  }

  return { engine: { name: engine.name, detail: engine.detail, open }, inLoop, alone }
}

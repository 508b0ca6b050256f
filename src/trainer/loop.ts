// The training loop, in one straight line: batches in, steps, evaluation, events and checkpoints out.
import { setImmediate as eventLoopTurn } from 'node:timers/promises'
import { TrainqlError } from '../shared/errors.ts'
import { checkpointName } from '../shared/run-directory.ts'
import { checkAugmentationSize } from '../shared/augmentation.ts'
import { checkWarmUp } from '../shared/recipe.ts'
import { sessionShards, type Attempt, type RunSpec } from '../shared/run-spec.ts'
import type { ResumableCheckpoint } from './checkpoints/load.ts'
import { parentOf, type Manifest } from './checkpoints/manifest.ts'
import { saveCheckpoint } from './checkpoints/save.ts'
import { findNonFinite } from './checkpoints/state-dict.ts'
import type { Dataset } from './datasets/dataset.ts'
import type { Engine, Session } from './engine.ts'
import { createTally, type ClassMetrics, type ValidationMetrics } from './evaluation.ts'
import type { EventLog } from './event-log.ts'
import { initialState } from './initialise.ts'
import { createBatches } from './input/batches.ts'
import { parameterCount } from './models/parameters.ts'
import { resnet } from './models/resnet.ts'
import type { Progress } from './progress.ts'
import { resumePosition } from './resume.ts'
import { learningRateAt } from './schedule.ts'

export interface TrainingJob {
  spec: RunSpec
  attempt: Attempt
  dataset: Dataset
  engine: Engine
  /** The checkpoint to go on from; null = from initial weights. */
  resume: ResumableCheckpoint | null
  /** The run's `checkpoints/`, which exists. */
  checkpoints: string
  events: EventLog
  progress: Progress
  control: Control
  /** For a line of text that people read. */
  say: (line: string) => void
}

/** What is asked of a loop from outside, looked at after every step and every evaluation batch. */
export interface Control {
  /** Aborted = take a checkpoint, then leave; its reason is the signal's name. */
  readonly stop: AbortSignal
  /** True when a checkpoint was asked for since the last call. Inside an epoch's end, that epoch's own serves. */
  takeCheckpointRequest(): boolean
}

export type Outcome = 'finished' | 'stopped'

/**
 * Trains until the epochs are done or `control.stop`, and says how it ended; the last event is `finished` or `stopped`.
 * @throws TrainqlError `NON_FINITE_LOSS` (policy STOP; no checkpoint holds what came of that step), `INVALID_INPUT`,
 * `DISK_FULL`, and what the engine throws. `progress` then tells where. The caller writes `failed`.
 */
export async function train(job: TrainingJob): Promise<Outcome> {
  const { spec, attempt, dataset, engine, events, progress, control } = job
  const batches = createBatches(dataset, spec)
  const { stepsPerEpoch } = batches
  const totalSteps = spec.epochs * stepsPerEpoch
  checkWarmUp(spec.schedule, totalSteps)
  checkAugmentationSize(spec.augmentation, dataset.shape)
  const graph = resnet({ ...spec.model, input: dataset.shape, classes: dataset.classes.length })
  const start =
    job.resume === null
      ? { epoch: 1, step: 0, lossSum: 0 }
      : resumePosition(job.resume.manifest, { spec, graph, stepsPerEpoch })
  const begun = performance.now()

  const session = await engine.open({
    graph,
    globalBatch: spec.globalBatch,
    shards: sessionShards(spec),
    devices: attempt.devices,
    optimizer: spec.optimizer,
    precision: spec.precision,
    syncBatchNorm: spec.syncBatchNorm,
    labelSmoothing: spec.labelSmoothing,
    clipNorm: spec.clipNorm,
  })
  const rateAt = (step: number) => learningRateAt(spec, { step, stepsPerEpoch, totalSteps })
  try {
    await session.writeState(job.resume?.state ?? initialState(graph, spec.seed))
    if (job.resume !== null) await session.writeOptimizerState(job.resume.optimizerState)

    progress.advance(start.epoch, (start.epoch - 1) * stepsPerEpoch + start.step)
    events.append({
      type: 'started',
      engine: engine.name,
      engineDetail: engine.detail,
      devices: attempt.devices.map(({ name }) => name),
      shards: spec.shards,
      globalBatch: spec.globalBatch,
      epochs: spec.epochs,
      stepsPerEpoch,
      parameters: parameterCount(graph),
      trainImages: batches.trainImages,
      validationImages: batches.validationImages,
      skippedImages: dataset.skipped.length,
      precision: spec.precision,
      accumulationSteps: spec.accumulationSteps,
      syncBatchNorm: spec.syncBatchNorm,
      memoryBytes: session.memoryBytes,
      classNames: [...dataset.classes],
      channels: dataset.shape.channels,
      pid: process.pid,
    })

    for (let epoch = start.epoch; epoch <= spec.epochs; epoch += 1) {
      const resumed = epoch === start.epoch
      const firstStep = resumed ? start.step : 0
      // JSON has no NaN: a sum that was not finite is null in the manifest.
      let lossSum = resumed ? (start.lossSum ?? NaN) : 0
      const clock = startClock()

      for (let step = firstStep; step < stepsPerEpoch; step += 1) {
        if (control.stop.aborted) return await leave(epoch, step, lossSum)
        if (control.takeCheckpointRequest()) await checkpoint({ epoch, step, lossSum })

        const globalStep = (epoch - 1) * stepsPerEpoch + step + 1
        const learningRate = rateAt(globalStep)
        const stepBegun = performance.now()
        const { loss } = await session.step(await batches.training(epoch, step), learningRate)
        lossSum += loss
        progress.advance(epoch, globalStep)
        events.append({
          type: 'step',
          epoch,
          step: globalStep,
          loss: finiteOrNull(loss),
          nonFinite: !Number.isFinite(loss),
          learningRate,
          imagesPerSecond: spec.globalBatch / secondsSince(stepBegun),
        })
        if (!Number.isFinite(loss) && spec.onNonFinite === 'STOP')
          throw nonFinite(`the training loss is ${loss}`, globalStep)
        // An engine may compute on this thread: let signals, timers and the log have their turn.
        await eventLoopTurn()
      }

      const imagesPerSecond = ((stepsPerEpoch - firstStep) * spec.globalBatch) / clock.wallSeconds()
      const evaluation = await evaluate(epoch)
      if (evaluation === null) return await leave(epoch, stepsPerEpoch, lossSum)

      const metrics = { trainLoss: finiteOrNull(lossSum / stepsPerEpoch), ...evaluation.metrics }
      const diverged = Object.values(metrics).includes(null)
      events.append({
        type: 'epoch',
        epoch,
        step: progress.step,
        ...metrics,
        ...evaluation.classes,
        nonFinite: diverged,
        imagesPerSecond,
        learningRate: rateAt(progress.step),
        ...clock.cpuSeconds(),
        wallSeconds: clock.wallSeconds(),
      })
      events.sync()
      job.say(
        `epoch ${epoch}/${spec.epochs}: train loss ${metrics.trainLoss?.toFixed(4)}, validation loss ` +
          `${metrics.validationLoss?.toFixed(4)}, accuracy ${metrics.accuracy?.toFixed(4)}, ${imagesPerSecond.toFixed(0)} images/s`,
      )
      if (diverged && spec.onNonFinite === 'STOP') throw nonFinite('the validation loss is not finite', progress.step)
      control.takeCheckpointRequest()
      await checkpoint({ epoch: epoch + 1, step: 0, lossSum: 0, metrics })
    }

    events.append({
      type: 'finished',
      epochs: spec.epochs,
      step: progress.step,
      wallSeconds: secondsSince(begun),
    })
    events.sync()
    return 'finished'
  } finally {
    batches.close()
    await session.close()
  }

  /** Metrics over every validation image; null where the run was told to stop meanwhile. */
  async function evaluate(epoch: number): Promise<{ metrics: ValidationMetrics; classes: ClassMetrics } | null> {
    const tally = createTally(graph.classes)
    for await (const batch of batches.validation()) {
      if (control.stop.aborted) return null
      tally.add(batch, await session.evaluate(batch))
      progress.advance(epoch, progress.step)
      await eventLoopTurn()
    }
    return { metrics: tally.metrics(), classes: tally.classMetrics() }
  }

  async function leave(epoch: number, step: number, lossSum: number): Promise<Outcome> {
    const unchanged = epoch === start.epoch && step === start.step
    if (!unchanged) await checkpoint({ epoch, step, lossSum })
    events.append({ type: 'stopped', step: progress.step, lastCheckpoint: progress.lastCheckpoint })
    events.sync()
    job.say(`stopped at step ${progress.step}`)
    return 'stopped'
  }

  interface Position {
    /** Under way, from 1, with `step` of its steps done. */
    epoch: number
    step: number
    lossSum: number
    /** Of the epoch just complete. */
    metrics?: NonNullable<Manifest['metrics']>
  }

  /** Writes a checkpoint and then its event, once a step. Weights that are not finite are never written. */
  async function checkpoint({ epoch, step, lossSum, metrics }: Position): Promise<void> {
    const name = checkpointName(attempt.attempt, progress.step)
    if (name === progress.lastCheckpoint) return
    const content = await readFiniteContent(session, spec.onNonFinite, progress.step)
    if (content === null) {
      job.say(`no checkpoint at step ${progress.step}: the weights are not finite`)
      return
    }
    const { state, optimizerState } = content
    const saved = await saveCheckpoint(job.checkpoints, name, {
      state,
      optimizerState,
      manifest: {
        formatVersion: 2,
        runId: spec.runId,
        attempt: attempt.attempt,
        epoch: epoch - 1,
        step: progress.step,
        model: { architecture: spec.model.architecture, classes: graph.classes, input: { ...graph.input } },
        data: {
          dataset: dataset.name,
          classNames: [...dataset.classes],
          normalisation: { mean: [...dataset.normalisation.mean], deviation: [...dataset.normalisation.deviation] },
        },
        metrics: metrics ?? null,
        training: {
          sampler: { seed: spec.seed, epoch, step, lossSum: finiteOrNull(lossSum) },
          schedule: { ...spec.schedule, learningRate: spec.learningRate, totalSteps },
          engine: { name: engine.name, detail: engine.detail },
        },
        optimizer: { ...spec.optimizer, step: optimizerState.step },
        parent: job.resume === null ? null : parentOf(job.resume.manifest),
        importedFrom: null,
      },
    })
    progress.lastCheckpoint = name
    progress.advance(progress.epoch, progress.step)
    events.append({ type: 'checkpoint', ...saved, epoch: epoch - 1, step: progress.step })
    events.sync()
    job.say(`checkpoint ${name}: ${saved.bytes} bytes, sha-256 ${saved.sha256}`)
  }
}

type SessionContent = Pick<ResumableCheckpoint, 'state' | 'optimizerState'>

/** A finite loss may still leave weights that are not: null then, or an error where the policy is to stop. */
async function readFiniteContent(
  session: Session,
  policy: RunSpec['onNonFinite'],
  step: number,
): Promise<SessionContent | null> {
  const state = await session.readState()
  const optimizerState = await session.readOptimizerState()
  const tensor = findNonFinite(state) ?? findNonFinite(optimizerState.tensors)
  if (tensor === null) return { state, optimizerState }
  if (policy === 'STOP') throw nonFinite(`"${tensor}" holds values that are not finite`, step)
  return null
}

function nonFinite(what: string, step: number): TrainqlError {
  return new TrainqlError({
    code: 'NON_FINITE_LOSS',
    message: `Training diverged at step ${step}: ${what}.`,
    fix: 'Lower the learning rate, or continue from an earlier checkpoint.',
  })
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

function secondsSince(milliseconds: number): number {
  return Math.max(performance.now() - milliseconds, 1e-3) / 1000
}

/** Wall and processor time since now; processor time counts every thread of the process. */
function startClock(): { wallSeconds(): number; cpuSeconds(): { userSeconds: number; systemSeconds: number } } {
  const begun = performance.now()
  const cpu = process.cpuUsage()
  return {
    wallSeconds: () => secondsSince(begun),
    cpuSeconds() {
      const { user, system } = process.cpuUsage(cpu)
      return { userSeconds: user / 1e6, systemSeconds: system / 1e6 }
    },
  }
}

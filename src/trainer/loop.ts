// The training loop, in one straight line: batches in, steps, evaluation, events and checkpoints out.
import { setImmediate as eventLoopTurn } from 'node:timers/promises'
import { backToBack, type Answer } from './back-to-back.ts'
import { createCheckpointTaker, type CheckpointedJob, type Position } from './checkpoints/take.ts'
import { checkRoom, checkpointBytes, logBytes } from './disk-room.ts'
import { createTally, type ClassMetrics, type ValidationMetrics } from './evaluation.ts'
import { parameterCount } from './models/parameters.ts'
import type { Batch } from './engine.ts'
import { finiteOrNull, nonFinite } from './non-finite.ts'
import { createReplicaRows } from './replica-progress.ts'
import { openTraining } from './training.ts'

export interface TrainingJob extends CheckpointedJob {
  control: Control
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
  const { spec, attempt, dataset, engine, events, progress, control, resume } = job
  const begun = performance.now()
  const { devices, initialFrom } = attempt
  const progressRows = createReplicaRows(devices.length)
  const training = await openTraining({ ...job, devices, initialFrom, progressRows })
  const { graph, session, batches, rateAt } = training
  const { stepsPerEpoch } = batches
  const checkpoints = createCheckpointTaker(job, training)
  const start: Position = {
    ...training.start,
    // JSON has no NaN: a sum that was not finite is null in the manifest.
    lossSum: training.start.lossSum ?? NaN,
    metrics: resume?.manifest.metrics ?? null,
  }
  let position = start
  let checkpointRequested = false
  try {
    progress.advance(start.epoch, (start.epoch - 1) * stepsPerEpoch + start.step)
    progress.watchReplicas({
      devices: devices.map(({ name }) => name),
      rows: progressRows,
      startStep: progress.step,
    })
    await checkRoomForRun()
    events.append({
      type: 'started',
      engine: engine.name,
      engineDetail: engine.detail,
      devices: devices.map(({ name }) => name),
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
    if (training.initialised !== null) events.append({ type: 'initialised', ...training.initialised })
    events.sync()
    await checkpoints.tidyUp()

    while (position.epoch <= spec.epochs) {
      const { epoch, step: firstStep } = position
      const clock = startClock()

      while (position.step < stepsPerEpoch) {
        if (control.stop.aborted) return await leave()
        if (isCheckpointRequested() || isCheckpointDue()) {
          checkpointRequested = false
          await checkpoints.take(position)
        }
        for await (const { answer, seconds } of stepsInARow()) {
          const { loss, learningRate } = answer
          const globalStep = progress.step + 1
          position = { epoch, step: position.step + 1, lossSum: position.lossSum + loss, metrics: null }
          progress.advance(epoch, globalStep)
          events.append({
            type: 'step',
            epoch,
            step: globalStep,
            loss: finiteOrNull(loss),
            nonFinite: !Number.isFinite(loss),
            learningRate,
            imagesPerSecond: spec.globalBatch / seconds,
          })
          if (!Number.isFinite(loss) && spec.onNonFinite === 'STOP')
            throw nonFinite(`the training loss is ${loss}`, globalStep)
          // An engine may compute on this thread: let signals, timers and the log have their turn.
          await eventLoopTurn()
        }
      }

      const imagesPerSecond = ((stepsPerEpoch - firstStep) * spec.globalBatch) / clock.wallSeconds()
      const evaluation = await evaluate(epoch)
      if (evaluation === null) return await leave()

      const metrics = { trainLoss: finiteOrNull(position.lossSum / stepsPerEpoch), ...evaluation.metrics }
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
      checkpointRequested = false
      position = { epoch: epoch + 1, step: 0, lossSum: 0, metrics }
      await checkpoints.take(position, epoch === spec.epochs)
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
    await training.close()
  }

  /** @throws TrainqlError `DISK_FULL` */
  async function checkRoomForRun(): Promise<void> {
    const log = logBytes(spec, { steps: training.totalSteps - progress.step })
    const withCheckpoint = spec.checkpoints.onDiskFull === 'FAIL'
    await checkRoom(job.checkpoints, {
      bytes: withCheckpoint ? log + checkpointBytes(graph, spec.optimizer) : log,
      what: withCheckpoint ? "the run's log and a checkpoint" : "the run's log",
    })
  }

  /** Those of the epoch under way, until something is to be done between two of them. */
  function stepsInARow(): AsyncGenerator<Answer<{ loss: number; learningRate: number }>, void> {
    const { epoch, step: first } = position
    const firstGlobal = progress.step + 1
    return backToBack({
      ahead: session.queues,
      async ask(index) {
        const learningRate = rateAt(firstGlobal + index)
        const { loss } = await session.step(await batches.training(epoch, first + index), learningRate)
        return { loss, learningRate }
      },
      follows: (index) =>
        first + index + 1 < stepsPerEpoch &&
        !control.stop.aborted &&
        !isCheckpointRequested() &&
        !isCheckpointDueBehind(firstGlobal + index),
    })
  }

  /** Until one is taken. */
  function isCheckpointRequested(): boolean {
    checkpointRequested ||= control.takeCheckpointRequest()
    return checkpointRequested
  }

  /** Inside an epoch; its end has one anyway, and where the attempt begins there is nothing new. */
  function isCheckpointDue(): boolean {
    return position.step > 0 && position !== start && isCheckpointDueBehind(progress.step)
  }

  function isCheckpointDueBehind(globalStep: number): boolean {
    const { everySteps } = spec.checkpoints
    return everySteps !== null && globalStep % everySteps === 0
  }

  /** Metrics over every validation image; null where the run was told to stop meanwhile. */
  async function evaluate(epoch: number): Promise<{ metrics: ValidationMetrics; classes: ClassMetrics } | null> {
    if (control.stop.aborted) return null
    const tally = createTally(graph.classes)
    const validation = batches.validation()
    let done = 0
    const evaluations = backToBack({
      ahead: session.queues,
      async ask() {
        const batch = (await validation.next()).value as Batch
        return { batch, result: await session.evaluate(batch) }
      },
      follows: (index) => index + 1 < batches.validationBatches && !control.stop.aborted,
    })
    for await (const { answer } of evaluations) {
      tally.add(answer.batch, answer.result)
      done += 1
      progress.advance(epoch, progress.step)
      await eventLoopTurn()
    }
    if (done < batches.validationBatches) return null
    return { metrics: tally.metrics(), classes: tally.classMetrics() }
  }

  async function leave(): Promise<Outcome> {
    if (position !== start) await checkpoints.take(position)
    events.append({ type: 'stopped', step: progress.step, lastCheckpoint: progress.lastCheckpoint })
    events.sync()
    job.say(`stopped at step ${progress.step}`)
    return 'stopped'
  }
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

// Follows one run to its end and shows it: the engine, a progress line, a table with a row for each epoch.
import type { Checkpoint, Client, EpochMetrics, Run, RunEvent } from '../../sdk/index.ts'
import { formatCount, formatLoss, formatPercent, formatRate } from '../terminal/format.ts'
import { renderProgress, type TrainingProgress } from '../terminal/progress.ts'
import type { Screen } from '../terminal/screen.ts'
import { renderHeader, renderRow, type Column } from '../terminal/table.ts'

export interface TrainedRun {
  run: Run
  epochs: EpochMetrics[]
  /** Of the last epoch; undefined where none was written. */
  checkpoint: Checkpoint | undefined
  stepEvents: number
}

const epochColumns: readonly Column<EpochMetrics>[] = [
  { title: 'epoch', width: 5, cell: ({ epoch }) => String(epoch) },
  { title: 'train loss', width: 10, cell: ({ trainLoss }) => formatLoss(trainLoss) },
  { title: 'val loss', width: 8, cell: ({ validationLoss }) => formatLoss(validationLoss) },
  { title: 'accuracy', width: 8, cell: ({ accuracy }) => formatPercent(accuracy) },
  { title: 'images/s', width: 8, cell: ({ imagesPerSecond }) => formatRate(imagesPerSecond) },
  { title: 'rate', width: 7, cell: ({ learningRate }) => String(Number(learningRate.toPrecision(3))) },
  { title: 'user s', width: 7, cell: ({ userSeconds }) => userSeconds.toFixed(1) },
  { title: 'system s', width: 8, cell: ({ systemSeconds }) => systemSeconds.toFixed(1) },
  { title: 'wall s', width: 7, cell: ({ wallSeconds }) => wallSeconds.toFixed(1) },
]

/** In a terminal the line is redrawn at most this often; elsewhere a plain line is printed this often. */
const redrawMs = 100
const plainLineMs = 10_000

/** Resolves when the run has ended, however it ended. */
export async function watchRun(client: Client, run: Run, screen: Screen, signal: AbortSignal): Promise<TrainedRun> {
  const { style } = screen
  const epochs: EpochMetrics[] = []
  let checkpoint: Checkpoint | undefined
  let stepEvents = 0
  let progress: TrainingProgress | undefined
  let imagesLeft = (_step: number): number => 0
  let shownAt = performance.now()

  function show(now: boolean): void {
    if (progress === undefined) return
    const elapsed = performance.now() - shownAt
    if (!now && elapsed < (screen.live ? redrawMs : plainLineMs)) return
    shownAt = performance.now()
    if (screen.live) screen.status(renderProgress(progress, screen.columns, style.unicode))
    else screen.line(renderProgress(progress, 100, style.unicode))
  }

  function tell(event: RunEvent): void {
    switch (event.__typename) {
      case 'StartedEvent': {
        const {
          engine,
          engineDetail,
          devices,
          parameters,
          globalBatch,
          shards,
          stepsPerEpoch,
          trainImages,
          validationImages,
        } = event
        screen.line(`${style.bold(`engine: ${engine}`)} (${engineDetail})`)
        screen.line(
          style.dim(
            `${formatCount(Number(parameters))} parameters on ${devices.join(', ')}; ${formatCount(trainImages)} + ${formatCount(validationImages)} images, ` +
              `global batch ${globalBatch} in ${shards} shards, ${stepsPerEpoch} steps an epoch`,
          ),
        )
        screen.line()
        screen.line(style.dim(renderHeader(epochColumns)))
        const steps = event.epochs * stepsPerEpoch
        // An evaluation pass costs about a third of a training pass: forward without backward.
        imagesLeft = (step) => (steps - step) * globalBatch + (event.epochs - epochs.length) * (validationImages / 3)
        progress = { epoch: 1, epochs: event.epochs, step: 0, steps, loss: null }
        show(screen.live)
        return
      }
      case 'StepEvent': {
        stepEvents++
        if (progress === undefined) return
        const { epoch, step, loss, imagesPerSecond } = event
        const known = progress.imagesPerSecond
        const smooth = known === undefined ? imagesPerSecond : known + (imagesPerSecond - known) * 0.1
        const secondsLeft = smooth > 0 ? imagesLeft(step) / smooth : undefined
        progress = {
          ...progress,
          epoch,
          step,
          loss,
          imagesPerSecond: smooth,
          ...(secondsLeft === undefined ? {} : { secondsLeft }),
        }
        show(false)
        return
      }
      case 'EpochEvent':
        epochs.push(event.metrics)
        screen.line(renderRow(epochColumns, event.metrics))
        if (progress !== undefined) progress = { ...progress, accuracy: event.metrics.accuracy }
        show(screen.live)
        return
      case 'CheckpointEvent':
        checkpoint = event.checkpoint
        return
      case 'QueuedEvent':
        screen.status(style.dim('waiting for devices …'))
        return
      case 'LeasedEvent':
        screen.status(style.dim(`starting the trainer on ${event.devices.join(', ')} …`))
        return
      case 'DecodingEvent':
        screen.status(style.dim(`decoding images: ${formatCount(event.images)} of ${formatCount(event.ofImages)} …`))
        return
      case 'CheckpointFailedEvent':
        screen.line(`checkpoint ${event.name} was not written: ${event.message} ${event.fix}`)
        return
      case 'CheckpointDamagedEvent':
        screen.line(`checkpoint ${event.name} is damaged: ${event.message} Going on from ${event.resumedFrom}.`)
        return
      case 'UnreachableEvent':
        screen.line(`nothing was heard of the trainer for ${event.silentSeconds.toFixed(0)} s; waiting for it`)
        return
      case 'ReplicaStalledEvent':
        screen.line(`${event.device} has not moved for ${event.stalledSeconds.toFixed(0)} s, at step ${event.step}`)
        return
      case 'RetryScheduledEvent':
        screen.line(`${event.attemptFailure.message} The run is queued again.`)
        return
      case 'CheckpointsRemovedEvent':
      case 'InitialisedEvent':
      case 'FinishedEvent':
      case 'FailedEvent':
      case 'StoppedEvent':
      case 'CancelRequestedEvent':
      case 'ReleasedEvent':
      case 'RunEndedEvent':
      case 'ResumeRequestedEvent':
      case 'CheckpointPinnedEvent':
      case 'CheckpointDeletedEvent':
      case 'PauseRequestedEvent':
      case 'PausedEvent':
      case 'YieldedEvent':
      case 'ReachableEvent':
      case 'ReplicaMovedEvent':
      case 'PriorityChangedEvent':
      case 'LogTornEvent':
        return
      default:
        return event satisfies never
    }
  }

  try {
    for await (const event of client.runEvents(run.id, { signal })) tell(event)
  } finally {
    screen.status()
  }
  return { run: await client.waitForRun(run.id, { signal }), epochs, checkpoint, stepEvents }
}

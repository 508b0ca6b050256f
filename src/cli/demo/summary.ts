// What the demo says at its end: the result, the checkpoint, one device beside several, and the JSON of it all.
import type { Checkpoint } from '../../sdk/index.ts'
import { counted, formatBytes, formatDuration, formatPercent, formatRate } from '../terminal/format.ts'
import type { Screen } from '../terminal/screen.ts'
import { renderSideBySide } from '../terminal/table.ts'
import { displayPath } from '../places.ts'
import type { TrainedRun } from './watch-run.ts'

/** Seconds from the first step's start to the last epoch's end, validation included. */
export function trainingSeconds({ epochs }: TrainedRun): number {
  return epochs.reduce((sum, { wallSeconds }) => sum + wallSeconds, 0)
}

export interface Comparison {
  single: TrainedRun
  multiple: TrainedRun
  /** Wall time on one device over wall time on several. */
  speedUp: number
  /** Speed-up over device count. */
  efficiency: number
  /** Whether the last checkpoints' weights are the same bytes. */
  bitEqual: boolean
}

export function compare(single: TrainedRun, multiple: TrainedRun): Comparison {
  const speedUp = trainingSeconds(single) / trainingSeconds(multiple)
  const [one, other] = [single.checkpoint, multiple.checkpoint]
  return {
    single,
    multiple,
    speedUp,
    efficiency: (speedUp * single.run.deviceNames.length) / multiple.run.deviceNames.length,
    bitEqual: one !== undefined && other !== undefined && one.sha256 === other.sha256,
  }
}

export function showResult(trained: TrainedRun, screen: Screen): void {
  const { style } = screen
  const last = trained.epochs.at(-1)
  screen.line()
  screen.line(
    `${style.green(style.unicode ? '✔' : 'ok')} ${style.bold(`${formatPercent(last?.accuracy ?? null)} accuracy`)} after ` +
      `${counted(trained.epochs.length, 'epoch')} in ${formatDuration(trainingSeconds(trained))}`,
  )
}

export function showCheckpoint({ path, bytes, sha256 }: Checkpoint, screen: Screen): void {
  const { style } = screen
  const size = style.dim(`(${formatBytes(Number(bytes))} with the optimizer's state)`)
  screen.line(`${style.bold('checkpoint')}  ${displayPath(path, process.cwd())} ${size}`)
  screen.line(`${style.bold('sha-256')}     ${sha256}  ${style.dim('model.safetensors')}`)
}

export function showComparison({ single, multiple, speedUp, efficiency, bitEqual }: Comparison, screen: Screen): void {
  const { style } = screen
  const both = [single, multiple]
  const count = ({ run }: TrainedRun): string => counted(run.deviceNames.length, 'device')
  const meanRate = ({ epochs }: TrainedRun): number =>
    epochs.reduce((sum, { imagesPerSecond }) => sum + imagesPerSecond, 0) / Math.max(1, epochs.length)
  const sum = ({ epochs }: TrainedRun, key: 'userSeconds' | 'systemSeconds'): string =>
    epochs.reduce((total, metrics) => total + metrics[key], 0).toFixed(1)
  const [head = '', ...rows] = renderSideBySide([
    ['', ...both.map(count)],
    ['wall time', ...both.map((trained) => `${trainingSeconds(trained).toFixed(1)} s`)],
    ['user time', ...both.map((trained) => `${sum(trained, 'userSeconds')} s`)],
    ['system time', ...both.map((trained) => `${sum(trained, 'systemSeconds')} s`)],
    ['images/s', ...both.map((trained) => formatRate(meanRate(trained)))],
    ['accuracy', ...both.map(({ epochs }) => formatPercent(epochs.at(-1)?.accuracy ?? null))],
    ['weights', ...both.map(({ checkpoint }) => checkpoint?.sha256.slice(0, 12) ?? '-')],
  ])
  screen.line()
  screen.line(style.bold(head))
  for (const row of rows) screen.line(row)
  screen.line()
  screen.line(
    `speed-up ${style.bold(`${speedUp.toFixed(2)}x`)}, efficiency ${style.bold(formatPercent(efficiency, 0))}`,
  )
  screen.line(bitEqual ? style.green('The weights are bit-equal.') : style.red('The weights are not bit-equal.'))
}

export function summaryOf(
  trained: TrainedRun,
  urls: Record<string, string>,
  comparison: Comparison | undefined,
): object {
  const describe = ({ run, epochs, checkpoint }: TrainedRun): object => ({
    id: run.id,
    state: run.state,
    engine: run.engine,
    engineDetail: run.engineDetail,
    architecture: run.architecture,
    dataset: run.dataset,
    devices: run.deviceNames,
    globalBatch: run.globalBatch,
    shards: run.shards,
    seed: run.seed,
    seconds: epochs.reduce((sum, { wallSeconds }) => sum + wallSeconds, 0),
    epochs,
    checkpoint: checkpoint ?? null,
  })
  const { single, speedUp, efficiency, bitEqual } = comparison ?? {}
  return {
    run: describe(trained),
    ...(single === undefined ? {} : { comparison: { single: describe(single), speedUp, efficiency, bitEqual } }),
    urls,
  }
}

// The line that shows how far training is.
import { formatDuration, formatLoss, formatPercent, formatRate } from './format.ts'

export interface TrainingProgress {
  /** From 1. */
  epoch: number
  epochs: number
  /** Steps done, over all epochs. */
  step: number
  steps: number
  loss: number | null
  /** Of the last validation; undefined before the first. */
  accuracy?: number | null
  imagesPerSecond?: number
  /** Until training ends; undefined while unknown. */
  secondsLeft?: number
}

const barWidth = 24

/** One line of at most `columns - 1` characters; where it is narrow the bar goes first, then the end. */
export function renderProgress(progress: TrainingProgress, columns: number, unicode: boolean): string {
  const { epoch, epochs, step, steps, loss, accuracy, imagesPerSecond, secondsLeft } = progress
  const fraction = steps === 0 ? 0 : Math.min(1, step / steps)
  const head = `epoch ${epoch}/${epochs}  `
  const tail = [
    `${Math.floor(fraction * 100)} %`,
    step === 0 ? undefined : `loss ${formatLoss(loss)}`,
    accuracy === undefined ? undefined : `acc ${formatPercent(accuracy, 1)}`,
    imagesPerSecond === undefined ? undefined : `${formatRate(imagesPerSecond)} img/s`,
    secondsLeft === undefined ? undefined : `ETA ${formatDuration(secondsLeft)}`,
  ]
    .filter((part) => part !== undefined)
    .join('  ')
  const room = columns - 1 - head.length - tail.length - 2
  const bar = room >= 6 ? `${renderBar(fraction, Math.min(barWidth, room), unicode)}  ` : ''
  return `${head}${bar}${tail}`.slice(0, Math.max(0, columns - 1))
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

export function renderBar(fraction: number, width: number, unicode: boolean): string {
  if (!unicode) {
    const full = Math.floor(fraction * width)
    return '#'.repeat(full) + '-'.repeat(width - full)
  }
  const filled = Math.floor(fraction * width * 8)
  const bar = '█'.repeat(Math.floor(filled / 8)) + (eighths[filled % 8] ?? '')
  return bar + '░'.repeat(width - bar.length)
}

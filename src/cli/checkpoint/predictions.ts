// The likeliest classes of images, in lines for a terminal.
import type { ImagePredictions } from '../../shared/checkpoint-tool.ts'
import { counted } from '../terminal/format.ts'
import type { Style } from '../terminal/screen.ts'
import { indented, mark } from './report.ts'

export function renderPredictions({ images }: ImagePredictions, style: Style): string[] {
  const failed = images.filter(({ problem }) => problem !== null).length
  return [
    ...images.flatMap(({ file, classes, problem }) =>
      classes === null
        ? [`${mark(false, style)} ${style.bold(file)}  cannot be decoded: ${problem ?? ''}`]
        : [style.bold(file), ...indented(classes.map(({ name, probability }) => `${percent(probability)}  ${name}`))],
    ),
    ...(failed === 0 ? [] : ['', `${failed} of ${counted(images.length, 'image')} cannot be decoded`]),
  ]
}

/** ` 99.93 %`: all of one width, and what is not certain never shown as 100. */
function percent(probability: number): string {
  const shown = probability < 1 ? Math.min(99.99, 100 * probability) : 100
  return `${shown.toFixed(2).padStart(6)} %`
}

// The line that shows how far a checkpoint file is read.
import { formatBytes } from '../terminal/format.ts'
import { renderBar } from '../terminal/progress.ts'
import type { Screen } from '../terminal/screen.ts'

export function renderReadProgress(
  { doneBytes, ofBytes }: { doneBytes: number; ofBytes: number },
  { columns, style }: Pick<Screen, 'columns' | 'style'>,
): string {
  const fraction = ofBytes === 0 ? 1 : Math.min(1, doneBytes / ofBytes)
  const bar = renderBar(fraction, 24, style.unicode)
  const text = `${bar}  ${Math.floor(fraction * 100)} %  ${formatBytes(doneBytes)} of ${formatBytes(ofBytes)}`
  return text.slice(0, Math.max(0, columns - 1))
}

// What the logits say of the images: the class of each, and whether it is the label's, or among the five most likely.
import type { EvaluationResult } from '../../engine.ts'

export type Score = Pick<EvaluationResult, 'correct' | 'correct5' | 'predicted'>

/** `logits` is (n, classes) row-major, `labels` one class index each. */
export function score(logits: Float32Array, labels: Int32Array): Score {
  const classes = logits.length / labels.length
  const predicted = new Int32Array(labels.length)
  let correct = 0
  let correct5 = 0
  labels.forEach((label, image) => {
    const row = logits.subarray(image * classes, (image + 1) * classes)
    if (row.some(Number.isNaN)) {
      predicted[image] = -1
      return
    }
    predicted[image] = row.indexOf(row.reduce((a, b) => Math.max(a, b)))
    const own = row[label] ?? NaN
    const ahead = row.reduce((count, logit, k) => count + Number(logit > own || (logit === own && k < label)), 0)
    if (ahead === 0) correct += 1
    if (ahead < 5) correct5 += 1
  })
  return { correct, correct5, predicted }
}

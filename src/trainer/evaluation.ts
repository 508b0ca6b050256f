// Adds up a validation pass: loss, top-1 and top-5 over all images, and by class how many there were, how many were
// right, and what the wrong ones were taken for.
import type { EpochEvent } from '../shared/events.ts'
import type { Batch, EvaluationResult } from './engine.ts'

/**
 * The most pairs of classes that are listed, so that the line of an epoch's event stays within about 200 KB: all there
 * can be of 100 classes, and of more classes the most frequent ones.
 */
export const mostConfusions = 10_000

/** The figures of a whole pass; null where they are no finite number. */
export type ValidationMetrics = Pick<EpochEvent, 'validationLoss' | 'accuracy' | 'top5Accuracy'>
/** The same by class, as the event of the epoch carries it. */
export type ClassMetrics = Pick<EpochEvent, 'classImages' | 'classCorrect' | 'confusion'>

export interface Tally {
  add(batch: Batch, result: EvaluationResult): void
  metrics(): ValidationMetrics
  classMetrics(): ClassMetrics
}

export function createTally(classes: number): Tally {
  let images = 0
  let lossSum = 0
  let correct = 0
  let correct5 = 0
  const classImages = new Array<number>(classes).fill(0)
  const classCorrect = new Array<number>(classes).fill(0)
  /** Images by true class x classes + predicted class. A table of all pairs would be mostly zeros. */
  const confusions = new Map<number, number>()

  return {
    add({ labels }, result) {
      images += result.images
      lossSum += result.lossSum
      correct += result.correct
      correct5 += result.correct5
      labels.forEach((label, image) => {
        const predicted = result.predicted[image] ?? -1
        classImages[label] = (classImages[label] ?? 0) + 1
        if (predicted === label) classCorrect[label] = (classCorrect[label] ?? 0) + 1
        else if (predicted >= 0) {
          const pair = label * classes + predicted
          confusions.set(pair, (confusions.get(pair) ?? 0) + 1)
        }
      })
    },
    metrics: () => ({
      validationLoss: Number.isFinite(lossSum / images) ? lossSum / images : null,
      accuracy: correct / images,
      top5Accuracy: correct5 / images,
    }),
    classMetrics() {
      const frequent = [...confusions].sort(([a, timesA], [b, timesB]) => timesB - timesA || a - b)
      const confusion = frequent
        .slice(0, mostConfusions)
        .flatMap(([pair, times]) => [Math.floor(pair / classes), pair % classes, times])
      return { classImages, classCorrect, confusion }
    },
  }
}

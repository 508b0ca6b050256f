// Adding up a validation pass: by image, by class, and the bound on what is listed.
import { describe, expect, test } from 'vitest'
import { parseTrainerEvent } from '../../src/shared/events.ts'
import type { EvaluationResult } from '../../src/trainer/engine.ts'
import { createTally, mostConfusions } from '../../src/trainer/evaluation.ts'

function batch(labels: number[]) {
  return { images: new Float32Array(), labels: Int32Array.from(labels) }
}

function result(predicted: number[], sums: Omit<EvaluationResult, 'images' | 'predicted'>): EvaluationResult {
  return { images: predicted.length, predicted: Int32Array.from(predicted), ...sums }
}

describe('a validation pass', () => {
  test('adds batches up: figures over all images, and by class', () => {
    const tally = createTally(4)
    tally.add(batch([0, 0, 1, 2]), result([0, 1, 1, 0], { lossSum: 3, correct: 2, correct5: 3 }))
    tally.add(batch([0, 2]), result([1, 0], { lossSum: 1.5, correct: 0, correct5: 2 }))
    tally.add(batch([0, 2]), result([2, 1], { lossSum: 0.5, correct: 0, correct5: 0 }))
    expect(tally.metrics()).toEqual({ validationLoss: 5 / 8, accuracy: 2 / 8, top5Accuracy: 5 / 8 })
    expect(tally.classMetrics()).toEqual({
      classImages: [4, 1, 3, 0],
      classCorrect: [1, 1, 0, 0],
      // The most frequent first; of equals the earlier class.
      confusion: [0, 1, 2, 2, 0, 2, 0, 2, 1, 2, 1, 1],
    })
  })

  test('an image without a prediction counts for its class and is in no cell; a loss that is not finite is null', () => {
    const tally = createTally(2)
    tally.add(batch([0, 1, 1]), result([-1, -1, 0], { lossSum: NaN, correct: 0, correct5: 1 }))
    expect(tally.metrics()).toEqual({ validationLoss: null, accuracy: 0, top5Accuracy: 1 / 3 })
    expect(tally.classMetrics()).toEqual({ classImages: [1, 2], classCorrect: [0, 0], confusion: [1, 0, 1] })
  })

  /** One image of every class taken for every other, and one more of the last taken for the first. */
  function everyConfusion(classes: number) {
    const tally = createTally(classes)
    const wrong = { lossSum: 1, correct: 0, correct5: 0 }
    for (let label = 0; label < classes; label += 1) {
      const others = Array.from({ length: classes }, (_, other) => other).filter((other) => other !== label)
      tally.add(batch(others.map(() => label)), result(others, wrong))
    }
    tally.add(batch([classes - 1]), result([0], wrong))
    return tally.classMetrics()
  }

  test('of 100 classes every confusion is listed', () => {
    const { confusion, classImages } = everyConfusion(100)
    expect(confusion).toHaveLength(3 * 100 * 99)
    expect(confusion.slice(0, 3)).toEqual([99, 0, 2])
    expect(confusion.filter((_, index) => index % 3 === 2).reduce((sum, images) => sum + images, 0)).toBe(
      classImages.reduce((sum, images) => sum + images, 0),
    )
  })

  test('of more classes the most frequent are, within a line of 200 KB', () => {
    const classes = everyConfusion(1000)
    expect(classes.confusion).toHaveLength(3 * mostConfusions)
    expect(classes.confusion.slice(0, 6)).toEqual([999, 0, 2, 0, 1, 1])
    expect(JSON.stringify(classes).length).toBeLessThan(200_000)
  })
})

const epochLine = {
  ...{ run: 'r', attempt: 1, seq: 5, at: '2026-01-02T03:04:05.678Z', type: 'epoch', epoch: 1, step: 3 },
  ...{ trainLoss: 0.5, validationLoss: null, accuracy: 0.25, nonFinite: true, imagesPerSecond: 100, learningRate: 0.1 },
  ...{ userSeconds: 1, systemSeconds: 0.5, wallSeconds: 2 },
}

describe('the event of an epoch', () => {
  test('of an earlier version is read, with nothing by class', () => {
    const byClass = { top5Accuracy: null, classImages: [], classCorrect: [], confusion: [] }
    expect(parseTrainerEvent(epochLine)).toEqual({ ...epochLine, ...byClass })
  })

  test('with confusions that are no triples is refused', () => {
    expect(() => parseTrainerEvent({ ...epochLine, confusion: [0, 1] })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining('confusion') as string }),
    )
  })
})

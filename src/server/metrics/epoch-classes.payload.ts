// What an epoch's validation gave by class, and how its GraphQL types show it.
import type { ClassAccuracy, Confusion, ConfusionMatrix } from './epoch-classes.type.ts'

/** Each list is empty where an earlier version did not measure it. */
export interface EpochClassesRecord {
  /** Validation images of each class, in the order of the labels. */
  classImages: number[]
  /** Those of them that were predicted right. */
  classCorrect: number[]
  /** Wrong predictions as triples (true class, predicted class, images), the most frequent first. */
  confusion: number[]
}

export function classAccuraciesPayload(
  { classImages, classCorrect }: EpochClassesRecord,
  classNames: readonly string[],
): ClassAccuracy[] {
  return classImages.map((images, index) => {
    const correct = classCorrect[index] ?? 0
    return {
      class: index,
      name: nameOf(index, classNames),
      images,
      correct,
      accuracy: images === 0 ? null : correct / images,
    }
  })
}

export function confusionMatrixPayload(record: EpochClassesRecord, classNames: readonly string[]): ConfusionMatrix {
  const { classImages, classCorrect } = record
  const wrong = triples(record).reduce((sum, [, , images]) => sum + images, 0)
  return { record, classNames, complete: wrong + total(classCorrect) === total(classImages) }
}

/** Row = true class, column = predicted class; null where some of the images are in no cell. */
export function confusionRows({ record, complete }: ConfusionMatrix): number[][] | null {
  if (!complete) return null
  const rows = record.classCorrect.map((correct, index) => {
    const row = new Array<number>(record.classImages.length).fill(0)
    row[index] = correct
    return row
  })
  for (const [trueClass, predictedClass, images] of triples(record)) {
    const row = rows[trueClass]
    if (row !== undefined) row[predictedClass] = images
  }
  return rows
}

/** The most frequent wrong predictions. */
export function confusionsPayload({ record, classNames }: ConfusionMatrix, first: number): Confusion[] {
  return triples(record)
    .slice(0, Math.max(0, first))
    .map(([trueClass, predictedClass, images]) => ({
      trueClass,
      trueName: nameOf(trueClass, classNames),
      predictedClass,
      predictedName: nameOf(predictedClass, classNames),
      images,
    }))
}

function triples({ confusion }: EpochClassesRecord): [trueClass: number, predictedClass: number, images: number][] {
  return Array.from({ length: confusion.length / 3 }, (_, index) => {
    const [trueClass = 0, predictedClass = 0, images = 0] = confusion.slice(3 * index, 3 * index + 3)
    return [trueClass, predictedClass, images]
  })
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

function nameOf(index: number, classNames: readonly string[]): string {
  return classNames[index] ?? String(index)
}

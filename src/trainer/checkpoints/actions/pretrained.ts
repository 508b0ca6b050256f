// Makes a checkpoint folder of published weights, wherever their file is to be had.
import { imageNetNormalisation, pretrainedWeights, type PretrainedWeights } from '../../../shared/pretrained.ts'
import type { ImportedCheckpoint } from '../../../shared/checkpoint-tool.ts'
import type { RunAction, Say } from '../action.ts'
import { getPretrainedFile, type PretrainedPlaces } from '../pretrained.ts'
import { importCheckpoint, type ImportRequest } from './import.ts'

const progressBytes = 4 * 1024 * 1024

export const run: RunAction<'PRETRAINED'> = async ({ name, folder, ...places }, say) => ({
  kind: 'IMPORTED',
  imported: await importPretrained(pretrainedWeights(name), { folder, places }, say),
})

export interface PretrainedTarget {
  folder: string
  places: PretrainedPlaces
}

/** @throws what `getPretrainedFile` and `importCheckpoint` throw. */
export async function importPretrained(
  weights: PretrainedWeights,
  { folder, places }: PretrainedTarget,
  say: Say,
): Promise<ImportedCheckpoint> {
  const { architecture, classes, imageSize } = weights
  let said = 0
  const file = await getPretrainedFile(weights, places, (doneBytes, ofBytes) => {
    if (doneBytes - said < progressBytes) return
    said = doneBytes
    say({ kind: 'PROGRESS', doneBytes, ofBytes })
  })
  const { mean, deviation } = imageNetNormalisation
  const request: ImportRequest = {
    file,
    folder,
    target: { architecture, classes, inputChannels: 3 },
    allowPartial: false,
    // The thousand names are not shipped: predictions give a class by its number.
    data: {
      dataset: 'imagenet',
      classNames: [],
      normalisation: { mean: [...mean], deviation: [...deviation] },
      margin: true,
    },
    imageSize: { height: imageSize, width: imageSize },
  }
  return importCheckpoint(request, say)
}

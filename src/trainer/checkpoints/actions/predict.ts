// The action PREDICT of the checkpoint process.
import { stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { listImages } from '../../../shared/datasets/image-folder.ts'
import { invalidInput } from '../../../shared/errors.ts'
import type { AssignedDevice } from '../../../shared/run-spec.ts'
import { predictFiles } from '../../predict-files.ts'
import type { RunAction } from '../action.ts'

/** As many as a batch of a small request needs; more of them share a batch of this size. */
const mostImagesAtOnce = 32
const fewestImagesAtOnce = 2

export const run: RunAction<'PREDICT'> = async ({ folder, images, top, imageSize }) => {
  const files = (await Promise.all(images.map(filesOf))).flat()
  const predicted = await predictFiles({
    checkpoint: folder,
    files,
    top,
    ...(imageSize === null ? {} : { imageSize }),
    devices: [wholeMachine()],
    imagesPerDevice: Math.min(mostImagesAtOnce, Math.max(fewestImagesAtOnce, files.length)),
  })
  return {
    kind: 'PREDICTED',
    predictions: {
      images: predicted.map((each) =>
        'problem' in each
          ? { file: each.file, classes: null, problem: each.problem }
          : { file: each.file, classes: each.prediction, problem: null },
      ),
    },
  }
}

function wholeMachine(): AssignedDevice {
  return { kind: 'CPU', name: 'cpu:0', cores: Array.from({ length: availableParallelism() }, (_, core) => core) }
}

async function filesOf(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => null)
  if (found === null) {
    throw invalidInput({
      field: 'images',
      message: `Expected an image file or a folder of them; there is no ${path}.`,
      fix: 'Correct the path.',
    })
  }
  if (!found.isDirectory()) return [path]
  const names = await listImages(path)
  if (names.length > 0) return names.map((name) => join(path, name))
  throw invalidInput({
    field: 'images',
    message: `${path}: expected at least one .jpg, .jpeg, .png or .webp file; found none.`,
    fix: 'Name a folder that has image files directly in it.',
  })
}

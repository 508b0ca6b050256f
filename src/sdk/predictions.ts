// Which class is it? Images go up, a checkpoint's model tells their likeliest classes.
import type { CallOptions } from './client.ts'
import { failureOf } from './errors.ts'
import * as operations from './generated/operations.ts'
import type { PredictImagesInput } from './generated/schema.ts'
import { upload, type UploadDeps } from './upload.ts'

/** `classes` likeliest first; null where the image cannot be decoded, and then `problem` says why. */
export type ImagePrediction = Extract<
  operations.PredictImagesMutation['predictImages'],
  { __typename: 'PredictImagesSuccess' }
>['images'][number]

/** A JPEG, PNG or WebP image: the path of a file on this machine, or its bytes. */
export type ImageContent = string | Blob | Uint8Array<ArrayBuffer>

export interface PredictOptions extends CallOptions, Omit<PredictImagesInput, 'checkpoint' | 'uploads'> {}

export interface PredictionMethods {
  /**
   * The likeliest classes of images, in their order, as the checkpoint's model sees them: scaled and normalised as the
   * validation images of its run were. One that cannot be decoded says so and takes nothing from the others.
   * @throws TrainqlFailure
   */
  predict(checkpointId: string, images: readonly ImageContent[], options?: PredictOptions): Promise<ImagePrediction[]>
}

/** As many as the server takes at once. */
const imagesAtOnce = 256
const uploadsAtOnce = 8
/** The model is loaded and its engine opened first. */
const longMs = 15 * 60_000

export function predictionMethods(deps: UploadDeps): PredictionMethods {
  async function predictSome(
    input: Omit<PredictImagesInput, 'uploads'>,
    images: readonly { content: string | Blob; name: string | undefined }[],
    call: CallOptions,
  ): Promise<ImagePrediction[]> {
    const uploads: string[] = []
    for (let first = 0; first < images.length; first += uploadsAtOnce) {
      const some = images.slice(first, first + uploadsAtOnce)
      uploads.push(...(await Promise.all(some.map((image) => upload(deps, image, call)))))
    }
    const long = { ...call, timeoutMs: longMs }
    const variables = { input: { ...input, uploads } }
    const { predictImages: found } = await deps.send(operations.PredictImagesDocument, variables, long)
    if (found.__typename !== 'PredictImagesSuccess') throw failureOf(found)
    return found.images
  }

  return {
    async predict(checkpoint, images, { signal, ...options } = {}) {
      const call = signal === undefined ? {} : { signal }
      const named = images.map((content, index) => nameImage(content, index))
      const predictions: ImagePrediction[] = []
      // None at all is the server's to decline.
      for (let first = 0; first === 0 || first < named.length; first += imagesAtOnce) {
        const some = named.slice(first, first + imagesAtOnce)
        predictions.push(...(await predictSome({ ...options, checkpoint }, some, call)))
      }
      return predictions
    },
  }
}

function nameImage(content: ImageContent, index: number): { content: string | Blob; name: string | undefined } {
  if (typeof content === 'string') return { content, name: undefined }
  const blob = content instanceof Blob ? content : new Blob([content])
  return { content: blob, name: 'name' in blob ? undefined : `image-${index}` }
}

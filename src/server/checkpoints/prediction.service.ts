// Asks a checkpoint's model which classes uploaded images are likeliest of.
import { basename } from 'node:path'
import { z } from 'zod'
import { imageSizeSchema, type ImageSize } from '../../shared/augmentation.ts'
import { checkpointFolder, parseCheckpointReference } from '../../shared/checkpoint-reference.ts'
import type { ImagePredictions } from '../../shared/checkpoint-tool.ts'
import { parseWith } from '../../shared/parse-with.ts'
import type { UploadService } from '../transfers/upload.service.ts'
import type { CheckpointWorker } from './checkpoint-worker.ts'
import type { CheckpointService } from './checkpoint.service.ts'

/** Their paths are an argument of a process, of which Linux takes 128 KiB. */
const mostImages = 256

const requestSchema = z.object({
  uploads: z.array(z.string()).min(1).max(mostImages),
  top: z.number().int().positive(),
  imageSize: imageSizeSchema.nullable(),
})

export interface PredictionRequest {
  uploads: readonly string[]
  top?: number | null
  imageSize?: ImageSize | null
}

export interface PredictionRecord extends Omit<ImagePredictions['images'][number], 'file'> {
  name: string
}

export interface PredictionService {
  /**
   * In the order of the uploads, which are removed where it came to an answer. `key`: of the checkpoint.
   * @throws TrainqlError `INVALID_INPUT`, `NOT_FOUND`, `CHECKPOINT_INVALID`, `ENGINE_UNAVAILABLE`, `OUT_OF_MEMORY`
   */
  predict(request: PredictionRequest, key: string): Promise<PredictionRecord[]>
}

export interface PredictionDeps {
  checkpoints: CheckpointService
  uploads: UploadService
  worker: CheckpointWorker
  home: string
}

export function createPredictionService({ checkpoints, uploads, worker, home }: PredictionDeps): PredictionService {
  return {
    async predict({ uploads: ids, top, imageSize }, key) {
      const request = parseWith(
        requestSchema,
        { uploads: ids, top: top ?? 5, imageSize: imageSize ?? null },
        'prediction',
      )
      const checkpoint = await checkpoints.get(key)
      const images = await Promise.all(request.uploads.map((id) => uploads.getFile(id)))
      const folder = checkpointFolder(home, parseCheckpointReference(checkpoint.key))
      const { predictions } = await worker.ask({
        action: 'PREDICT',
        folder,
        images,
        top: request.top,
        imageSize: request.imageSize,
      })
      await Promise.all(request.uploads.map((id) => uploads.remove(id)))
      return predictions.images.map(({ file, ...found }) => ({ name: basename(file), ...found }))
    },
  }
}

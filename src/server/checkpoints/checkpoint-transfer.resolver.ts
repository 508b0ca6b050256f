// Checkpoints come in and go out: inspect, upload, import, export.
import { Arg, Mutation, Query, Resolver } from 'type-graphql'
import { pretrainedNames, pretrainedWeights } from '../../shared/pretrained.ts'
import { answer } from '../failures/answer.ts'
import { keyOf } from '../node.type.ts'
import type { ExportService } from '../transfers/export.service.ts'
import type { UploadService } from '../transfers/upload.service.ts'
import type { CheckpointImportService } from './checkpoint-import.service.ts'
import {
  CheckpointUploadInput,
  type CreateCheckpointUploadResult,
  CreateCheckpointUploadResultUnion,
  ExportCheckpointInput,
  type ExportCheckpointResult,
  ExportCheckpointResultUnion,
  ImportCheckpointInput,
  type ImportCheckpointResult,
  ImportCheckpointResultUnion,
  InspectCheckpointInput,
  type InspectCheckpointResult,
  InspectCheckpointResultUnion,
} from './checkpoint.input.ts'
import { checkpointPayload } from './checkpoint.payload.ts'
import { PretrainedWeights } from './pretrained.type.ts'

export interface TransferServices {
  imports: CheckpointImportService
  uploads: UploadService
  exports: ExportService
  home: string
}

@Resolver()
export class CheckpointTransferResolver {
  constructor(private readonly services: TransferServices) {}

  @Query(() => InspectCheckpointResultUnion, {
    description: 'What a file is and what would come of importing it. Nothing of it is kept.',
  })
  inspectCheckpoint(
    @Arg('input', () => InspectCheckpointInput) input: InspectCheckpointInput,
  ): Promise<InspectCheckpointResult> {
    return answer(['InvalidInputFailure', 'NotFoundFailure', 'ConflictFailure'], async () => {
      const { checkpoint } = input
      const key = typeof checkpoint === 'string' ? keyOf('Checkpoint', checkpoint) : null
      const inspection = await this.services.imports.inspect(input, key)
      const { bytes, parameters } = inspection
      return {
        __typename: 'CheckpointInspection',
        ...inspection,
        bytes: BigInt(bytes),
        parameters: BigInt(parameters),
      }
    })
  }

  @Query(() => [PretrainedWeights], { name: 'pretrainedWeights' })
  listPretrained(): PretrainedWeights[] {
    return pretrainedNames.map(pretrainedWeights)
  }

  @Mutation(() => CreateCheckpointUploadResultUnion)
  createCheckpointUpload(
    @Arg('input', () => CheckpointUploadInput) { fileName, bytes }: CheckpointUploadInput,
  ): Promise<CreateCheckpointUploadResult> {
    return answer(['InvalidInputFailure', 'ConflictFailure'], async () => {
      const size = typeof bytes === 'bigint' ? Number(bytes) : null
      const { limitBytes, ...upload } = await this.services.uploads.create(fileName, size)
      return { __typename: 'CheckpointUpload', ...upload, limitBytes: BigInt(limitBytes) }
    })
  }

  @Mutation(() => ImportCheckpointResultUnion, {
    description: 'Makes a checkpoint of a file. Strict, unless `allowPartial` says otherwise.',
  })
  importCheckpoint(
    @Arg('input', () => ImportCheckpointInput) input: ImportCheckpointInput,
  ): Promise<ImportCheckpointResult> {
    return answer(['LoadRefusedFailure', 'InvalidInputFailure', 'NotFoundFailure', 'ConflictFailure'], async () => ({
      __typename: 'CheckpointSuccess',
      checkpoint: checkpointPayload(await this.services.imports.import(input), this.services.home),
    }))
  }

  @Mutation(() => ExportCheckpointResultUnion, { description: 'Makes a file of a checkpoint, to be fetched.' })
  exportCheckpoint(
    @Arg('input', () => ExportCheckpointInput) input: ExportCheckpointInput,
  ): Promise<ExportCheckpointResult> {
    return answer(['InvalidInputFailure', 'NotFoundFailure', 'ConflictFailure'], async () => {
      const { checkpoint, format, modulePrefix, trainingFile, foldBatchNorm } = input
      const options = {
        format,
        modulePrefix: modulePrefix ?? false,
        trainingFile: trainingFile ?? false,
        foldBatchNorm: foldBatchNorm ?? true,
      }
      const key = keyOf('Checkpoint', checkpoint)
      const { bytes, ...download } = await this.services.exports.create(key, options)
      return { __typename: 'CheckpointDownload', ...download, bytes: BigInt(bytes) }
    })
  }
}

// What clients send about checkpoints, and what they get back.
import { createUnionType, Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql'
import { type ExportFormat, exportFormats } from '../../shared/checkpoint-tool.ts'
import { type PretrainedName, pretrainedNames } from '../../shared/pretrained.ts'
import type { Architecture } from '../../shared/run-spec.ts'
import { enumOf } from '../enum.ts'
import {
  type AnyFailure,
  ConflictFailure,
  InvalidInputFailure,
  LoadRefusedFailure,
  NotFoundFailure,
} from '../failures/failure.type.ts'
import { ArchitectureEnum } from '../models/architecture.type.ts'
import { BigIntScalar, DateTimeScalar } from '../scalars.ts'
import { CheckpointInspection, CheckpointVerification } from './checkpoint-inspection.type.ts'
import { Checkpoint } from './checkpoint.type.ts'

export const ExportFormatEnum = enumOf(exportFormats)
registerEnumType(ExportFormatEnum, {
  name: 'ExportFormat',
  description: 'TORCH: a .pth that torch.load(weights_only=True) and load_state_dict(strict=True) take.',
})
export const PretrainedNameEnum = enumOf(pretrainedNames)
registerEnumType(PretrainedNameEnum, { name: 'PretrainedName', description: "torchvision's published weights." })

@InputType()
abstract class TargetModelInput {
  @Field(() => ArchitectureEnum, {
    nullable: true,
    description: 'The model it is meant for. Default: what the file is.',
  })
  architecture?: Architecture | null

  @Field(() => Int, { nullable: true })
  classes?: number | null

  @Field(() => Int, { nullable: true })
  inputChannels?: number | null
}

@InputType('InspectCheckpointInput', { description: 'One of `path`, `uploadId` and `checkpoint`.' })
export class InspectCheckpointInput extends TargetModelInput {
  @Field(() => String, { nullable: true, description: 'File or folder below one of TRAINQL_CHECKPOINT_ROOTS.' })
  path?: string | null

  @Field(() => ID, { nullable: true })
  uploadId?: string | null

  @Field(() => Boolean, { nullable: true, defaultValue: false, description: 'Remove the upload afterwards.' })
  forgetUpload?: boolean | null

  @Field(() => ID, { nullable: true, description: 'One that is known.' })
  checkpoint?: string | null
}

@InputType('ImportCheckpointInput', { description: 'One of `path`, `uploadId` and `pretrained`.' })
export class ImportCheckpointInput extends TargetModelInput {
  @Field(() => String, { nullable: true, description: 'File or folder below one of TRAINQL_CHECKPOINT_ROOTS.' })
  path?: string | null

  @Field(() => ID, { nullable: true, description: 'Of createCheckpointUpload, once the file has been PUT.' })
  uploadId?: string | null

  @Field(() => PretrainedNameEnum, { nullable: true })
  pretrained?: PretrainedName | null

  @Field(() => String, { nullable: true, description: "Default: the file's base name." })
  name?: string | null

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: 'Take what matches where tensors are missing, unexpected or of another shape.',
  })
  allowPartial?: boolean | null
}

@InputType('CheckpointUploadInput')
export class CheckpointUploadInput {
  @Field(() => String, { description: 'Base name of the file, such as `resnet18.pth`.' })
  fileName!: string

  @Field(() => BigIntScalar, { nullable: true, description: 'Its size: one that is too large is refused at once.' })
  bytes?: bigint | null
}

@InputType('ExportCheckpointInput')
export class ExportCheckpointInput {
  @Field(() => ID)
  checkpoint!: string

  @Field(() => ExportFormatEnum)
  format!: ExportFormat

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: 'TORCH: `module.` before every name, as DataParallel writes.',
  })
  modulePrefix?: boolean | null

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: 'TORCH: `{epoch, arch, state_dict, optimizer}` rather than the state dict alone.',
  })
  trainingFile?: boolean | null

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: true,
    description: 'ONNX: batch norm folded into the convolutions.',
  })
  foldBatchNorm?: boolean | null
}

@ObjectType('CheckpointUpload', { description: 'Where a file may be sent to.' })
export class CheckpointUpload {
  __typename!: 'CheckpointUpload'

  @Field(() => ID)
  id!: string

  @Field(() => String, { description: 'Path and query on this server: PUT the bytes of the file there, once.' })
  url!: string

  @Field(() => BigIntScalar, { description: 'A larger file is refused with status 413.' })
  limitBytes!: bigint

  @Field(() => DateTimeScalar, { description: 'Then the URL, and what was sent there, are forgotten.' })
  expiresAt!: Date
}

@ObjectType('CheckpointDownload', { description: 'A file made of a checkpoint.' })
export class CheckpointDownload {
  __typename!: 'CheckpointDownload'

  @Field(() => String, { description: 'Path and query on this server: GET, HEAD and ranges.' })
  url!: string

  @Field(() => String)
  fileName!: string

  @Field(() => ExportFormatEnum)
  format!: ExportFormat

  @Field(() => BigIntScalar)
  bytes!: bigint

  @Field(() => String)
  sha256!: string

  @Field(() => DateTimeScalar)
  expiresAt!: Date
}

@ObjectType('CheckpointSuccess')
export class CheckpointSuccess {
  __typename!: 'CheckpointSuccess'

  @Field(() => Checkpoint)
  checkpoint!: Checkpoint
}

type Refused = Exclude<AnyFailure, LoadRefusedFailure>

export type InspectCheckpointResult = CheckpointInspection | Refused
export const InspectCheckpointResultUnion = createUnionType({
  name: 'InspectCheckpointResult',
  types: () => [CheckpointInspection, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: InspectCheckpointResult) => value.__typename,
})

export type ImportCheckpointResult = CheckpointSuccess | AnyFailure
export const ImportCheckpointResultUnion = createUnionType({
  name: 'ImportCheckpointResult',
  types: () => [CheckpointSuccess, LoadRefusedFailure, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: ImportCheckpointResult) => value.__typename,
})

export type CreateCheckpointUploadResult = CheckpointUpload | InvalidInputFailure | ConflictFailure
export const CreateCheckpointUploadResultUnion = createUnionType({
  name: 'CreateCheckpointUploadResult',
  types: () => [CheckpointUpload, InvalidInputFailure, ConflictFailure] as const,
  resolveType: (value: CreateCheckpointUploadResult) => value.__typename,
})

export type ExportCheckpointResult = CheckpointDownload | Refused
export const ExportCheckpointResultUnion = createUnionType({
  name: 'ExportCheckpointResult',
  types: () => [CheckpointDownload, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: ExportCheckpointResult) => value.__typename,
})

export type KeepCheckpointResult = CheckpointSuccess | NotFoundFailure | ConflictFailure
export const KeepCheckpointResultUnion = createUnionType({
  name: 'KeepCheckpointResult',
  types: () => [CheckpointSuccess, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: KeepCheckpointResult) => value.__typename,
})

export type VerifyCheckpointResult = CheckpointVerification | Refused
export const VerifyCheckpointResultUnion = createUnionType({
  name: 'VerifyCheckpointResult',
  types: () => [CheckpointVerification, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: VerifyCheckpointResult) => value.__typename,
})

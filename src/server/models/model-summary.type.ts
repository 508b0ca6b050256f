// A model's layers, operations and memory as GraphQL shows them.
import { createUnionType, Field, Int, ObjectType, registerEnumType } from 'type-graphql'
import type { Architecture } from '../../shared/run-spec.ts'
import type { Layer } from '../../trainer/models/graph.ts'
import { InvalidInputFailure } from '../failures/failure.type.ts'
import { ArchitectureEnum } from './architecture.type.ts'
import { BigIntScalar } from '../scalars.ts'

/** GraphQL's spelling of each kind of layer. */
const LayerKindEnum = {
  CONV: 'conv',
  BATCH_NORM: 'batchNorm',
  RELU: 'relu',
  ADD: 'add',
  MAX_POOL: 'maxPool',
  GLOBAL_AVG_POOL: 'globalAvgPool',
  LINEAR: 'linear',
} as const satisfies Record<string, Layer['op']>
registerEnumType(LayerKindEnum, { name: 'LayerKind' })

const forwardText =
  'FLOPs of one image, forward: two for each multiply-add of convolutions and linear layers, taps on padding included, as published counts are made.'
const trainingText = 'FLOPs of one image in a training step: forward, and the gradients of weights and of inputs.'

@ObjectType('LayerSummary')
export class LayerSummary {
  @Field(() => String, {
    description: "torchvision's name of the module; what has no parameters is numbered within its block.",
  })
  name!: string

  @Field(() => LayerKindEnum)
  kind!: Layer['op']

  @Field(() => [Int], { description: 'Channels, height and width of one image.' })
  outputShape!: number[]

  @Field(() => BigIntScalar)
  parameters!: bigint

  @Field(() => BigIntScalar, { description: forwardText })
  forwardFlops!: bigint

  @Field(() => BigIntScalar, { description: trainingText })
  trainingFlops!: bigint

  @Field(() => BigIntScalar, { description: 'Values of its output for one image.' })
  activations!: bigint
}

@ObjectType('MemoryEstimate', {
  description: 'Bytes that the native engine takes, within 10 %. Images, dataset and process come on top.',
})
export class MemoryEstimate {
  @Field(() => BigIntScalar, { description: 'Parameters and running statistics, held once.' })
  weightBytes!: bigint

  @Field(() => BigIntScalar, { description: 'State of the optimizer, held once.' })
  optimizerBytes!: bigint

  @Field(() => BigIntScalar, {
    description:
      'Of each replica: gradients of a few layers at a time; or, with more shards than are at work at once or clipping, ' +
      'one set for each level of its sum over shards.',
  })
  gradientBytes!: bigint

  @Field(() => BigIntScalar, {
    description:
      'Of each replica: activations of the shards at work at once and the gradients alive beside them, at their peak.',
  })
  activationBytes!: bigint

  @Field(() => BigIntScalar, {
    description: 'Of each replica: the weights of one layer at a time, in the layout that its kernels read.',
  })
  weightCopyBytes!: bigint

  @Field(() => BigIntScalar, { description: 'Of each replica: working memory of the largest convolution.' })
  scratchBytes!: bigint

  @Field(() => BigIntScalar, {
    description: 'Gradients, activations, weight copies and working memory of one replica.',
  })
  replicaBytes!: bigint

  @Field(() => BigIntScalar, { description: 'What is held once, and every replica.' })
  totalBytes!: bigint
}

@ObjectType('ModelSummary')
export class ModelSummary {
  __typename!: 'ModelSummary'

  @Field(() => ArchitectureEnum)
  architecture!: Architecture

  @Field(() => Int)
  channels!: number

  @Field(() => Int)
  height!: number

  @Field(() => Int)
  width!: number

  @Field(() => Int)
  classes!: number

  @Field(() => [LayerSummary], { description: 'In the order in which they are computed.' })
  layers!: LayerSummary[]

  @Field(() => BigIntScalar)
  parameters!: bigint

  @Field(() => BigIntScalar, { description: 'Of one image, forward: half of `forwardFlops`.' })
  multiplyAdds!: bigint

  @Field(() => BigIntScalar, { description: forwardText })
  forwardFlops!: bigint

  @Field(() => BigIntScalar, { description: trainingText })
  trainingFlops!: bigint

  @Field(() => BigIntScalar, { description: 'FLOPs of a whole step: those of training, times the global batch.' })
  stepFlops!: bigint

  @Field(() => BigIntScalar, { description: 'Values that all layers give for one image.' })
  activations!: bigint

  @Field(() => MemoryEstimate)
  memory!: MemoryEstimate
}

export type ModelSummaryResult = ModelSummary | InvalidInputFailure

export const ModelSummaryResultUnion = createUnionType({
  name: 'ModelSummaryResult',
  types: () => [ModelSummary, InvalidInputFailure] as const,
  resolveType: (value: ModelSummaryResult) => value.__typename,
})

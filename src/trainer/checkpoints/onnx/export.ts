// A model graph and its weights as an ONNX file, with batch norm as it is or folded into the convolutions.
import { TrainqlError } from '../../../shared/errors.ts'
import type { HostTensor, StateDict } from '../../engine.ts'
import {
  inputsOf,
  type BatchNormLayer,
  type ConvLayer,
  type Layer,
  type ModelGraph,
  type TensorId,
} from '../../models/graph.ts'
import { littleEndianBytes, tensorOf } from '../state-dict.ts'
import { foldableBatchNorms, foldedBias, foldedWeight } from './fold-batch-norm.ts'
import { modelFields, type Initializer, type Node } from './messages.ts'
import { joinPieces, lengthOf, type Piece } from './protobuf.ts'

export interface OnnxContent {
  graph: ModelGraph
  state: StateDict
  foldBatchNorm: boolean
  producerVersion: string
  /** Kept in the file's `metadata_props`. */
  metadata: Readonly<Record<string, string>>
}

/** A message of protocol buffers can be no longer, and an ONNX file is one. */
const maxBytes = 2 ** 31 - 1

/**
 * Input `images` (batch, C, height, width) of any batch, height and width; output `logits` (batch, classes).
 * @throws TrainqlError `INVALID_INPUT` for a model of 2 GiB.
 */
export function encodeOnnx(content: OnnxContent): { byteLength: number; pieces: Piece[] } {
  const { graph, producerVersion, metadata } = content
  const { nodes, initializers } = translate(content)
  const fields = modelFields({
    name: graph.architecture,
    producerVersion,
    nodes,
    initializers,
    // The pooling before the linear layer is global, so that height and width are free, as in PyTorch.
    input: { name: valueName(graph, 0), shape: ['batch', graph.input.channels, 'height', 'width'] },
    output: { name: valueName(graph, graph.logits), shape: ['batch', graph.classes] },
    metadata,
  })
  const byteLength = lengthOf(fields)
  if (byteLength > maxBytes) {
    throw new TrainqlError({
      code: 'INVALID_INPUT',
      field: 'format',
      message: `Expected an ONNX file of at most ${maxBytes} bytes; the model needs ${byteLength}.`,
      fix: 'Export it as SAFETENSORS or TORCH.',
    })
  }
  return { byteLength, pieces: joinPieces(fields) }
}

interface Translation {
  nodes: Node[]
  initializers: Initializer[]
}

function translate({ graph, state, foldBatchNorm }: OnnxContent): Translation {
  const norms = foldBatchNorm ? foldableBatchNorms(graph) : new Map<ConvLayer, BatchNormLayer>()
  const folded = new Set<Layer>(norms.values())
  const nodes: Node[] = []
  const initializers: Initializer[] = []

  /** Names of what a node reads beside its values. */
  const parameters = (...tensors: [name: string, shape: readonly number[], make: () => HostTensor][]): string[] =>
    tensors.map(([name, shape, make]) => {
      initializers.push({ name, shape, make: () => littleEndianBytes(make().data) })
      return name
    })
  const stored = (layer: Layer & { name: string }, ...suffixes: string[]): string[] =>
    suffixes.flatMap((suffix) => {
      const tensor = tensorOf(state, `${layer.name}.${suffix}`)
      return parameters([`${layer.name}.${suffix}`, tensor.shape, () => tensor])
    })
  const convParameters = (conv: ConvLayer, norm: BatchNormLayer | undefined): string[] => {
    if (norm === undefined) return stored(conv, 'weight')
    const { shape } = tensorOf(state, `${conv.name}.weight`)
    return parameters(
      [`${conv.name}.weight`, shape, () => foldedWeight(conv, norm, state)],
      [`${conv.name}.bias`, [norm.channels], () => foldedBias(norm, state)],
    )
  }
  const add = (operator: string, layer: Layer, rest: Partial<Node> & { beside?: readonly string[] } = {}): void => {
    const { beside = [], ...given } = rest
    nodes.push({
      operator,
      name: 'name' in layer ? layer.name : `${layer.op}${layer.output}`,
      inputs: [...inputsOf(layer).map((tensor) => valueName(graph, tensor)), ...beside],
      output: valueName(graph, layer.output),
      ...given,
    })
  }

  for (const layer of graph.layers) {
    if (folded.has(layer)) continue
    switch (layer.op) {
      case 'conv': {
        const norm = norms.get(layer)
        add('Conv', layer, {
          beside: convParameters(layer, norm),
          output: valueName(graph, norm?.output ?? layer.output),
          attributes: { dilations: [1, 1], group: 1, ...windowOf(layer) },
        })
        break
      }
      case 'batchNorm':
        add('BatchNormalization', layer, {
          beside: stored(layer, 'weight', 'bias', 'running_mean', 'running_var'),
          attributes: { epsilon: { float: layer.epsilon } },
        })
        break
      case 'relu':
        add('Relu', layer)
        break
      case 'add':
        add('Add', layer)
        break
      case 'maxPool':
        add('MaxPool', layer, { attributes: windowOf(layer) })
        break
      case 'globalAvgPool':
        add('GlobalAveragePool', layer)
        break
      case 'linear': {
        // (N, features, 1, 1) to (N, features).
        const flat = `${layer.name}.flat`
        add('Flatten', layer, { name: flat, output: flat, attributes: { axis: 1 } })
        add('Gemm', layer, { inputs: [flat, ...stored(layer, 'weight', 'bias')], attributes: { transB: 1 } })
        break
      }
      default:
        layer satisfies never
    }
  }
  return { nodes, initializers }
}

function valueName({ logits }: ModelGraph, tensor: TensorId): string {
  if (tensor === 0) return 'images'
  return tensor === logits ? 'logits' : `value${tensor}`
}

function windowOf({
  kernel,
  stride,
  padding,
}: {
  kernel: number
  stride: number
  padding: number
}): Node['attributes'] {
  return {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
  }
}

// A model as data: layers in execution order over numbered tensors, with torchvision parameter names.
// Engines read this; there is no second definition of a network.

/** Index of a tensor in the graph. Tensor 0 is the input image batch, (N, C, H, W). */
export type TensorId = number

export interface ConvLayer {
  op: 'conv'
  /** Parameter prefix: `${name}.weight`, (outChannels, inChannels, kernel, kernel). No bias. */
  name: string
  input: TensorId
  output: TensorId
  inChannels: number
  outChannels: number
  kernel: number
  stride: number
  padding: number
}
export interface BatchNormLayer {
  op: 'batchNorm'
  /** `${name}.weight`, `.bias`, `.running_mean`, `.running_var`: (channels); `.num_batches_tracked`: scalar int64. */
  name: string
  input: TensorId
  output: TensorId
  channels: number
  epsilon: number
  momentum: number
}
export interface ReluLayer {
  op: 'relu'
  input: TensorId
  output: TensorId
}
export interface AddLayer {
  op: 'add'
  inputs: [TensorId, TensorId]
  output: TensorId
}
export interface MaxPoolLayer {
  op: 'maxPool'
  input: TensorId
  output: TensorId
  kernel: number
  stride: number
  padding: number
}
export interface GlobalAvgPoolLayer {
  op: 'globalAvgPool'
  input: TensorId
  output: TensorId
}
export interface LinearLayer {
  op: 'linear'
  /** `${name}.weight`: (outFeatures, inFeatures), `${name}.bias`: (outFeatures). */
  name: string
  input: TensorId
  output: TensorId
  inFeatures: number
  outFeatures: number
}
export type Layer = ConvLayer | BatchNormLayer | ReluLayer | AddLayer | MaxPoolLayer | GlobalAvgPoolLayer | LinearLayer

export interface ModelGraph {
  /** Architecture name in torchvision's spelling, such as `resnet18`. */
  architecture: string
  input: { channels: number; height: number; width: number }
  classes: number
  layers: readonly Layer[]
  /** Shape of each tensor without the batch dimension: (C, H, W), or (features, 1, 1) after pooling. */
  shapes: readonly (readonly [number, number, number])[]
  /** Tensor that holds the logits, (N, classes). */
  logits: TensorId
}

/** What a layer reads. */
export function inputsOf(layer: Layer): readonly TensorId[] {
  return layer.op === 'add' ? layer.inputs : [layer.input]
}

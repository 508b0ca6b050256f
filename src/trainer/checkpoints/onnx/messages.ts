// The messages of an ONNX file that a model needs (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3), with the
// numbers of their fields and types.
import { elementCount } from '../../models/parameters.ts'
import { bytes, float, int, nested, text, type Field } from './protobuf.ts'

/** Of ONNX 1.12 (2022), where opset 17 appeared: every runtime since reads it. */
const irVersion = 8
const opset = 17

const elementTypes = { float: 1 } as const
const attributeTypes = { float: 1, int: 2, ints: 7 } as const

/** An attribute's type is told by its value: a list is INTS; `{ float }` is FLOAT, a number INT. */
export type Attribute = number | readonly number[] | { float: number }

export interface Node {
  operator: string
  name: string
  inputs: readonly string[]
  output: string
  attributes?: Readonly<Record<string, Attribute>>
}

/** fp32. */
export interface Initializer {
  name: string
  shape: readonly number[]
  /** Row-major, little-endian; asked for once, when it is written. */
  make: () => Uint8Array
}

export interface Value {
  name: string
  /** A name is an axis of any size. */
  shape: readonly (number | string)[]
}

export interface OnnxModel {
  name: string
  producerVersion: string
  nodes: readonly Node[]
  initializers: readonly Initializer[]
  input: Value
  output: Value
  metadata: Readonly<Record<string, string>>
}

/** ModelProto, as the fields of which a file consists. */
export function modelFields(model: OnnxModel): Field[] {
  return [
    int(1, irVersion),
    text(2, 'trainql'),
    text(3, model.producerVersion),
    nested(7, graphFields(model)),
    nested(8, [text(1, ''), int(2, opset)]),
    ...Object.entries(model.metadata).map(([key, value]) => nested(14, [text(1, key), text(2, value)])),
  ]
}

function graphFields({ nodes, name, initializers, input, output }: OnnxModel): Field[] {
  return [
    ...nodes.map((node) => nested(1, nodeFields(node))),
    text(2, name),
    ...initializers.map((tensor) => nested(5, tensorFields(tensor))),
    nested(11, valueFields(input)),
    nested(12, valueFields(output)),
  ]
}

function nodeFields({ operator, name, inputs, output, attributes = {} }: Node): Field[] {
  return [
    ...inputs.map((input) => text(1, input)),
    text(2, output),
    text(3, name),
    text(4, operator),
    ...Object.entries(attributes).map(([key, value]) => nested(5, attributeFields(key, value))),
  ]
}

function attributeFields(name: string, value: Attribute): Field[] {
  if (typeof value === 'number') return [text(1, name), int(3, value), int(20, attributeTypes.int)]
  if ('float' in value) return [text(1, name), float(2, value.float), int(20, attributeTypes.float)]
  return [text(1, name), ...value.map((item) => int(8, item)), int(20, attributeTypes.ints)]
}

function tensorFields({ name, shape, make }: Initializer): Field[] {
  return [
    ...shape.map((size) => int(1, size)),
    int(2, elementTypes.float),
    text(8, name),
    bytes(9, { byteLength: 4 * elementCount(shape), make }),
  ]
}

function valueFields({ name, shape }: Value): Field[] {
  const dimensions = shape.map((size) => nested(1, [typeof size === 'number' ? int(1, size) : text(2, size)]))
  return [text(1, name), nested(2, [nested(1, [int(1, elementTypes.float), nested(2, dimensions)])])]
}

// Between the tensors an engine gives and takes (fp32 on the host) and the tensors of a safetensors file.
import { endianness } from 'node:os'
import { TrainqlError } from '../../shared/errors.ts'
import type { HostTensor, StateDict } from '../engine.ts'
import { layOutSafetensors, type RawTensor } from './safetensors.ts'

const countSuffix = 'num_batches_tracked'

/** A tensor whose values are had when its turn to be written comes, so that not all of a model is in memory. */
export interface DeferredTensor {
  shape: readonly number[]
  read: () => Promise<Float32Array>
}

/** Any mixture of tensors at hand and tensors still to be read. */
export type TensorSource = ReadonlyMap<string, HostTensor | DeferredTensor>

/** A safetensors file in pieces, each tensor read just before its own. */
export async function* safetensorsPieces(source: TensorSource): AsyncGenerator<Uint8Array> {
  const layout = [...source].map(([name, tensor]): [string, TensorLayout] => [
    name,
    { dtype: name.endsWith(countSuffix) ? 'I64' : 'F32', shape: tensor.shape, tensor },
  ])
  const { header, ordered } = layOutSafetensors(layout, { format: 'pt' })
  yield header
  for (const [name, { shape, tensor }] of ordered) {
    const data = 'data' in tensor ? tensor.data : await tensor.read()
    yield toRawTensor(name, { shape, data }).bytes
  }
}

interface TensorLayout extends Pick<RawTensor, 'dtype' | 'shape'> {
  tensor: HostTensor | DeferredTensor
}

/** fp32, but `num_batches_tracked` as int64, as in PyTorch's state dicts. Views of `state` where the machine allows. */
export function toRawTensors(state: StateDict): Map<string, RawTensor> {
  return new Map([...state].map(([name, tensor]) => [name, toRawTensor(name, tensor)]))
}

/**
 * @param what names the file in errors.
 * @throws TrainqlError `CHECKPOINT_INVALID` for a dtype that is not ours.
 */
export function fromRawTensors(tensors: ReadonlyMap<string, RawTensor>, what: string): StateDict {
  return new Map([...tensors].map(([name, tensor]) => [name, fromRawTensor(name, tensor, what)]))
}

/** @throws RangeError; a state dict that was read from a checkpoint has all tensors of its model. */
export function tensorOf(state: StateDict, name: string): HostTensor {
  const tensor = state.get(name)
  if (tensor === undefined) throw new RangeError(`no tensor "${name}"`)
  return tensor
}

/** Name of the first tensor that holds a NaN or an infinity; null where all is finite. */
export function findNonFinite(state: StateDict): string | null {
  for (const [name, { data }] of state) if (!isFinite(data)) return name
  return null
}

/** One sum tells: a NaN or an infinity stays in it, and fp32 values cannot overflow a double. */
export function isFinite(values: Float32Array): boolean {
  let sum = 0
  for (let i = 0; i < values.length; i += 1) sum += Math.abs(values[i] as number)
  return Number.isFinite(sum)
}

/** fp32 as files hold it; a view of `values` where the machine allows. */
export function littleEndianBytes(values: Float32Array): Uint8Array {
  return littleEndian(Buffer.from(values.buffer, values.byteOffset, values.byteLength))
}

function toRawTensor(name: string, { shape, data }: HostTensor): RawTensor {
  if (name.endsWith(countSuffix)) {
    const bytes = Buffer.alloc(8 * data.length)
    data.forEach((value, index) => bytes.writeBigInt64LE(BigInt(value), 8 * index))
    return { dtype: 'I64', shape, bytes }
  }
  return { dtype: 'F32', shape, bytes: littleEndianBytes(data) }
}

/** A copy of the bytes. @throws TrainqlError `CHECKPOINT_INVALID` for a dtype that is not ours. */
export function fromRawTensor(name: string, { dtype, shape, bytes }: RawTensor, what: string): HostTensor {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (dtype === 'I64' && name.endsWith(countSuffix)) {
    const data = Float32Array.from({ length: view.length / 8 }, (_, index) => Number(view.readBigInt64LE(8 * index)))
    return { shape, data }
  }
  if (dtype !== 'F32') {
    throw new TrainqlError({
      code: 'CHECKPOINT_INVALID',
      message: `${what}: expected tensor "${name}" as ${name.endsWith(countSuffix) ? 'I64' : 'F32'}; found ${dtype}.`,
      fix: 'Use a checkpoint that a training run wrote.',
    })
  }
  // A copy of its own: the file's bytes need not be aligned, nor kept.
  const data = new Float32Array(view.length / 4)
  Buffer.from(data.buffer).set(littleEndian(view))
  return { shape, data }
}

/** To or from the file's byte order; a copy only on a big-endian machine. */
function littleEndian(words: Buffer): Buffer {
  return endianness() === 'LE' ? words : Buffer.from(words).swap32()
}

// Writes what torch.load(weights_only=True) reads: a state dict, or a training file with one in it.
import type { StateDict } from '../../engine.ts'
import type { RawTensor } from '../safetensors.ts'
import { toRawTensors } from '../state-dict.ts'
import { writePickle, type TorchDict, type TorchValue } from './pickle/write.ts'
import { encodeZip, type EncodedFile, type ZipOptions, type ZipRecord } from './zip-writer.ts'

export type { TorchDict, TorchList, TorchTensor, TorchValue } from './pickle/write.ts'
export type { EncodedFile } from './zip-writer.ts'

/**
 * The file in pieces to be written one after another; tensors' bytes are not copied.
 * Format: torch.save's zip archive, version 3: data.pkl, byteorder, data/0 and so on.
 */
export function encodeTorchFile(value: TorchValue, options: ZipOptions = {}): EncodedFile {
  const { bytes, storages } = writePickle(value)
  return encodeZip(
    [
      record('data.pkl', bytes),
      record('byteorder', Buffer.from('little')),
      ...storages.map((storage, index) => record(`data/${index}`, storage.bytes)),
      record('version', Buffer.from('3\n')),
    ],
    options,
  )
}

/**
 * A state dict as PyTorch's modules give it: fp32, `num_batches_tracked` as int64.
 * @param prefix before every name, such as `module.`
 */
export function torchStateDict(state: StateDict, prefix = ''): TorchDict {
  return torchTensors(toRawTensors(state), prefix)
}

export function torchTensors(tensors: ReadonlyMap<string, RawTensor>, prefix = ''): TorchDict {
  const entries = [...tensors].map(
    ([name, tensor]) => [`${prefix}${name}`, { kind: 'tensor' as const, ...tensor }] as const,
  )
  return { kind: 'orderedDict', entries: new Map(entries) }
}

function record(name: string, content: Uint8Array): ZipRecord {
  return { name: `archive/${name}`, bytes: content.length, content: () => content }
}

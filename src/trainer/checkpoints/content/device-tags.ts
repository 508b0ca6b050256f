// Devices that a file speaks of: where its tensors lay, and what DataParallel keeps. Data, never asked for.
import { eachValue, isDict, isObject, isSequence } from '../formats/file-values.ts'
import type { FileObject, FileValue } from '../formats/tensor-file.ts'

/** Wrappers of torch.nn.parallel, which name devices by number. */
const parallel = /\bnn\.parallel\b/

/** Such as `cuda:3`, each once, in the order of kind and number; the CPU is not listed. */
export function deviceTags(root: FileValue): string[] {
  const tags = new Set<string>()
  for (const value of eachValue(root)) {
    if (typeof value !== 'object' || value === null || !('kind' in value)) continue
    if (value.kind === 'tensor') tags.add(value.storage.device)
    else if (value.kind === 'object') for (const tag of objectTags(value)) tags.add(tag)
  }
  tags.delete('cpu')
  return [...tags].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
}

function objectTags(object: FileObject): string[] {
  if (object.global === 'torch.device') return deviceOf(object)
  if (!parallel.test(object.global) || !isDict(object.state)) return []
  const { entries } = object.state
  const ids = entries.get('device_ids')
  const numbers = [...(isSequence(ids, 'list', 'tuple') ? ids.items : []), entries.get('output_device')]
  const source = entries.get('src_device_obj')
  const kind = isObject(source) ? (deviceOf(source)[0]?.replace(/:.*/, '') ?? 'cuda') : 'cuda'
  return numbers.flatMap((id) => (typeof id === 'number' ? [`${kind}:${id}`] : []))
}

/** `torch.device('cuda', 3)` or `torch.device('cuda:3')`. */
function deviceOf({ arguments: [kind, index] }: FileObject): string[] {
  if (typeof kind !== 'string') return []
  return [typeof index === 'number' ? `${kind}:${index}` : kind]
}

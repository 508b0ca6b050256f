// The state dict of a whole pickled model, as PyTorch would make it: walked through the modules' own attributes, which
// are data here. Nothing of the model's class is looked for.
import { invalidFile } from '../formats/file-bytes.ts'
import { isDict, isObject, isSequence, isTensor } from '../formats/file-values.ts'
import type { FileDict, FileObject, FileTensor, FileValue } from '../formats/tensor-file.ts'

/** Modules may be shared, and sharing again what shares makes names without end; no network here has so many. */
const mostModules = 20_000
/** Likewise, levels of modules within modules. */
const mostLevels = 100

/** Is it a torch.nn.Module? It keeps its parts under names of its own. */
export function isModule(value: FileValue | undefined): value is FileObject {
  return isObject(value) && moduleAttributes(value) !== null
}

/**
 * Parameters, then buffers, then those of the modules inside, named as `state_dict()` names them: without what is None
 * and without buffers that are not persistent. A module inside itself is passed over where it comes again.
 * @param what names the file in errors.
 * @throws TrainqlError `CHECKPOINT_INVALID` where the modules are without end.
 */
export function moduleTensors(model: FileObject, what: string): Map<string, FileTensor> {
  const tensors = new Map<string, FileTensor>()
  let modules = 0
  const path = new Set<FileObject>()

  function walk(module: FileObject, prefix: string): void {
    const attributes = moduleAttributes(module)
    if (attributes === null || path.has(module)) return
    modules += 1
    if (modules > mostModules || path.size >= mostLevels) {
      throw invalidFile(what, `a model of at most ${mostModules} modules, ${mostLevels} inside one another`, 'more')
    }
    path.add(module)
    for (const [name, parameter] of namedParts(attributes, '_parameters'))
      if (isTensor(parameter)) tensors.set(prefix + name, parameter)
    const passing = notPersistent(attributes)
    for (const [name, buffer] of namedParts(attributes, '_buffers'))
      if (isTensor(buffer) && !passing.has(name)) tensors.set(prefix + name, buffer)
    for (const [name, inner] of namedParts(attributes, '_modules'))
      if (isObject(inner)) walk(inner, `${prefix}${name}.`)
    path.delete(module)
  }

  walk(model, '')
  return tensors
}

/** The module's `__dict__`: its state, or an argument of the function that makes it anew (torch.fx). */
function moduleAttributes({ state, arguments: given }: FileObject): FileDict | null {
  for (const attributes of [state, ...given]) {
    if (
      isDict(attributes) &&
      isDict(attributes.entries.get('_modules')) &&
      isDict(attributes.entries.get('_parameters'))
    )
      return attributes
  }
  return null
}

function namedParts({ entries }: FileDict, attribute: string): [string, FileValue][] {
  const parts = entries.get(attribute)
  if (!isDict(parts)) return []
  return [...parts.entries].filter((part): part is [string, FileValue] => typeof part[0] === 'string')
}

function notPersistent({ entries }: FileDict): ReadonlySet<FileValue> {
  const names = entries.get('_non_persistent_buffers_set')
  return new Set(isSequence(names, 'set', 'list') ? names.items : [])
}

// What a tensor file holds: the weights by name, wherever in the file they stand, and what is said around them.
import type { CheckpointLayout } from '../../../shared/load-report.ts'
import { isDict, isObject, isSequence, isTensor } from '../formats/file-values.ts'
import type { FileDict, FileTensor, FileValue, TensorFile } from '../formats/tensor-file.ts'
import { leadingPrefix } from '../loading/prefix.ts'
import { deviceTags } from './device-tags.ts'
import { isModule, moduleTensors } from './whole-model.ts'

export interface FileContent {
  layout: CheckpointLayout
  /** Keys that lead to the weights, such as `state_dict`, joined by dots; empty: they are what the file holds. */
  foundAt: string
  /** By their names in the file, in its order. */
  weights: ReadonlyMap<string, FileTensor>
  deviceTags: string[]
  /** The state dict of an optimiser of torch.optim, as it stands. */
  optimizer: FileDict | null
  facts: Facts
}

/** What a training file says of itself. */
export interface Facts {
  epoch: number | null
  step: number | null
  arch: string | null
  /** In the file's own unit, a share or per cent. */
  bestAccuracy: number | null
}

/** Values that may hold weights lie no deeper. */
const deepest = 3
/** Spellings of what has no weights: an optimiser's buffers have the parameters' shapes and not their names. */
const notWeights = /optim|sched|scaler|loss|metric|^args$|^hparams|^hyper_parameters$|^config$/i
/** Of two places that hold the model's names alike, the one that is trained rather than its average or its teacher. */
const secondary = /ema|avg|average|swa|teacher|best/i

/**
 * @param known names of the tensors of every model there is here: the place that holds most of them is taken.
 * @returns null where there are no tensors.
 * @throws TrainqlError `CHECKPOINT_INVALID`
 */
export async function readContent(
  file: TensorFile,
  { known, what }: { known: ReadonlySet<string>; what: string },
): Promise<FileContent | null> {
  const { root } = file
  const places = findPlaces(root, what)
  const scored = places.map((place) => ({ ...place, score: matchesOf(place.weights, known) }))
  // Stable: of equals the first in the file.
  scored.sort(
    (a, b) =>
      b.score - a.score ||
      (a.score === 0 ? b.weights.size - a.weights.size : 0) ||
      Number(isSecondary(a)) - Number(isSecondary(b)) ||
      a.path.length - b.path.length,
  )
  const [chosen] = scored
  if (chosen === undefined) return null
  return {
    layout: layoutOf(root, chosen),
    foundAt: chosen.path.join('.'),
    weights: chosen.weights,
    deviceTags: deviceTags(root),
    optimizer: findOptimizer(root),
    facts: await readFacts(file),
  }
}

interface Place {
  path: string[]
  weights: Map<string, FileTensor>
  whole: boolean
}

function isSecondary({ path }: Place): boolean {
  return path.some((key) => secondary.test(key))
}

function findPlaces(root: FileValue, what: string): Place[] {
  const places: Place[] = []
  const seen = new Set<FileValue>()

  function look(value: FileValue, path: string[]): void {
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    if (isModule(value)) {
      const weights = moduleTensors(value, what)
      if (weights.size > 0) places.push({ path, weights, whole: true })
      return
    }
    const owner = ownerOfMethod(value)
    if (isModule(owner)) return look(owner, path)
    if (isDict(value)) {
      const weights = new Map<string, FileTensor>()
      for (const [name, tensor] of value.entries)
        if (typeof name === 'string' && isTensor(tensor)) weights.set(name, tensor)
      if (weights.size > 0) places.push({ path, weights, whole: false })
    }
    if (path.length === deepest) return
    for (const [key, part] of partsOf(value)) if (!notWeights.test(key)) look(part, [...path, key])
  }

  look(root, [])
  return places
}

/** `torch.save(model.state_dict, …)`, without the call, saves the method and with it the whole model. */
function ownerOfMethod(value: FileValue): FileValue | undefined {
  return isObject(value) && /\bgetattr$/.test(value.global) ? value.arguments[0] : undefined
}

function partsOf(value: FileValue): [string, FileValue][] {
  if (isDict(value))
    return [...value.entries].filter((entry): entry is [string, FileValue] => typeof entry[0] === 'string')
  if (isSequence(value, 'list', 'tuple')) return value.items.map((item, index) => [String(index), item])
  return []
}

function matchesOf(weights: ReadonlyMap<string, FileTensor>, known: ReadonlySet<string>): number {
  const prefix = leadingPrefix(weights.keys(), known)
  let matches = 0
  for (const name of weights.keys()) if (name.startsWith(prefix) && known.has(name.slice(prefix.length))) matches += 1
  return matches
}

function layoutOf(root: FileValue, { path, whole }: Place): CheckpointLayout {
  if (isDict(root) && root.entries.has('pytorch-lightning_version')) return 'LIGHTNING'
  if (whole) return 'WHOLE_MODEL'
  return path.length === 0 ? 'STATE_DICT' : 'TRAINING_FILE'
}

/** Under the names that training scripts give it; Lightning keeps a list of them. */
function findOptimizer(root: FileValue): FileDict | null {
  for (const [key, value] of partsOf(root)) {
    if (!/optim/i.test(key)) continue
    const states = isSequence(value, 'list', 'tuple') ? value.items : [value]
    for (const state of states) if (isDict(state) && isDict(state.entries.get('state'))) return state
  }
  return null
}

const spellings = {
  epoch: ['epoch', 'epochs', 'current_epoch', 'last_epoch'],
  step: ['global_step', 'step', 'iteration', 'iter', 'num_updates'],
  arch: ['arch', 'architecture', 'model_name'],
  bestAccuracy: ['best_acc1', 'best_prec1', 'best_acc', 'best_accuracy', 'acc1', 'accuracy', 'acc'],
} as const satisfies Record<keyof Facts, readonly string[]>

async function readFacts(file: TensorFile): Promise<Facts> {
  const entries = isDict(file.root) ? file.root.entries : new Map<FileValue, FileValue>()
  const find = <T>(fact: keyof Facts, accept: (value: FileValue | undefined) => T | null): T | null => {
    for (const name of spellings[fact]) {
      const value = accept(entries.get(name))
      if (value !== null) return value
    }
    return null
  }
  const accuracy = find('bestAccuracy', (value) => (typeof value === 'number' || isScalar(value) ? value : null))
  return {
    epoch: find('epoch', countOrNull),
    step: find('step', countOrNull),
    arch: find('arch', (value) => (typeof value === 'string' ? value.slice(0, 200) : null)),
    bestAccuracy: finiteOrNull(
      typeof accuracy === 'number' || accuracy === null ? accuracy : await readScalar(file, accuracy),
    ),
  }
}

/** Of one value: the ImageNet example keeps its best accuracy as a tensor on the device. */
function isScalar(value: FileValue | undefined): value is FileTensor {
  return isTensor(value) && value.shape.every((size) => size === 1)
}

async function readScalar(file: TensorFile, tensor: FileTensor): Promise<number | null> {
  const [value] = await file.readFloats(tensor)
  return value ?? null
}

function finiteOrNull(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null
}

function countOrNull(value: FileValue | undefined): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}

// Python's own containers among what a pickle calls: they are values here; everything else is an inert object.
import { isDict, isGlobal, isSequence } from '../file-values.ts'
import type { FileDict, FileValue } from '../tensor-file.ts'
import { cost, newObject, type Budget } from './machine.ts'

type Rebuild = (args: readonly FileValue[], budget: Budget) => FileValue | undefined

const dicts = [
  'collections.OrderedDict',
  'collections.defaultdict',
  'collections.Counter',
  'builtins.dict',
  '__builtin__.dict',
]
const sets = ['builtins.set', 'builtins.frozenset', '__builtin__.set', '__builtin__.frozenset']
const lists = ['builtins.list', '__builtin__.list']
const reconstructors = ['copyreg._reconstructor', 'copy_reg._reconstructor']
const constructors = ['copyreg.__newobj__', 'copy_reg.__newobj__']

const rebuilders: ReadonlyMap<string, Rebuild> = new Map<string, Rebuild>([
  ...dicts.map((name) => [name, rebuildDict] as const),
  ...sets.map((name) => [name, (args, budget) => rebuildSequence('set', args, budget)] as [string, Rebuild]),
  ...lists.map((name) => [name, (args, budget) => rebuildSequence('list', args, budget)] as [string, Rebuild]),
  ['torch.Size', (args, budget) => rebuildSequence('tuple', args, budget)],
  ['_codecs.encode', rebuildBytes],
  ...reconstructors.map((name) => [name, reconstruct] as const),
  ...constructors.map((name) => [name, construct] as const),
])

/** Calls nothing: gives the container that the call would make, or an object that says what was to be called. */
export function callPython(name: string, args: FileValue[], budget: Budget): FileValue {
  return rebuilders.get(name)?.(args, budget) ?? newObject({ budget }, name, args)
}

/** `OrderedDict()`, `OrderedDict([(k, v), …])`, `defaultdict(factory)`, `Counter({…})`. */
function rebuildDict(args: readonly FileValue[], budget: Budget): FileDict {
  const entries = new Map<FileValue, FileValue>()
  budget.charge(cost.dict)
  for (const source of args) {
    if (isSequence(source, 'list', 'tuple')) {
      budget.charge(cost.entry * source.items.length)
      for (const pair of source.items)
        if (isSequence(pair, 'list', 'tuple') && pair.items.length === 2)
          entries.set(pair.items[0] as FileValue, pair.items[1] as FileValue)
    } else if (isDict(source)) {
      budget.charge(cost.entry * source.entries.size)
      for (const [key, value] of source.entries) entries.set(key, value)
    }
  }
  return { kind: 'dict', entries }
}

function rebuildSequence(kind: 'list' | 'tuple' | 'set', args: readonly FileValue[], budget: Budget): FileValue {
  const [source] = args
  const items = isSequence(source, 'list', 'tuple', 'set') ? source.items : []
  budget.charge(cost.list + cost.slot * items.length)
  return { kind, items: [...items] }
}

/** Bytes in protocols that have none: a string of latin-1, and the word. */
function rebuildBytes([text, encoding]: readonly FileValue[], budget: Budget): FileValue | undefined {
  if (typeof text !== 'string' || encoding !== 'latin1') return undefined
  budget.charge(cost.bytes + text.length)
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

/** `_reconstructor(class, base, state)`: an object of the class. */
function reconstruct([made, , state = null]: readonly FileValue[], budget: Budget): FileValue | undefined {
  const name = globalName(made)
  return name === null ? undefined : callPython(name, state === null ? [] : [state], budget)
}

/** `__newobj__(class, …)`: an object of the class. */
function construct([made, ...args]: readonly FileValue[], budget: Budget): FileValue | undefined {
  const name = globalName(made)
  return name === null ? undefined : callPython(name, args, budget)
}

function globalName(value: FileValue | undefined): string | null {
  if (!isGlobal(value)) return null
  // A constructor of constructors has no end.
  return [...reconstructors, ...constructors].includes(value.name) ? null : value.name
}

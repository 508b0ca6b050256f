// Telling a file's values apart, and going through all of them however they refer to one another.
import type { FileDict, FileGlobal, FileList, FileObject, FileTensor, FileValue } from './tensor-file.ts'

export function isTensor(value: FileValue | undefined): value is FileTensor {
  return kindOf(value) === 'tensor'
}

export function isDict(value: FileValue | undefined): value is FileDict {
  return kindOf(value) === 'dict'
}

export function isObject(value: FileValue | undefined): value is FileObject {
  return kindOf(value) === 'object'
}

export function isGlobal(value: FileValue | undefined): value is FileGlobal {
  return kindOf(value) === 'global'
}

export function isSequence<K extends FileList['kind']>(
  value: FileValue | undefined,
  ...kinds: readonly K[]
): value is FileList & { kind: K } {
  return kinds.some((kind) => kindOf(value) === kind)
}

/** A value in a message: what it is, not what it holds. */
export function describe(value: FileValue | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'None'
  return kindOf(value) ?? (value instanceof Uint8Array ? 'bytes' : typeof value)
}

function kindOf(
  value: FileValue | undefined,
): Exclude<FileValue, null | Uint8Array> extends infer T ? (T extends { kind: infer K } ? K : never) | null : never {
  return typeof value === 'object' && value !== null && 'kind' in value ? value.kind : null
}

/** Every value reachable from one, each object once, without recursion: files nest as deep as they like. */
export function* eachValue(root: FileValue): Generator<FileValue> {
  const seen = new Set<FileValue>()
  const waiting: FileValue[] = [root]
  while (waiting.length > 0) {
    const value = waiting.pop() as FileValue
    if (typeof value === 'object' && value !== null) {
      if (seen.has(value)) continue
      seen.add(value)
    }
    yield value
    for (const part of partsOf(value)) waiting.push(part)
  }
}

function* partsOf(value: FileValue): Generator<FileValue> {
  if (isDict(value)) yield* pairs(value.entries)
  else if (isSequence(value, 'list', 'tuple', 'set')) yield* value.items
  else if (isObject(value)) {
    yield* value.arguments
    yield value.state
    yield* value.items
    yield* pairs(value.entries)
  }
}

function* pairs(entries: Map<FileValue, FileValue>): Generator<FileValue> {
  for (const [key, value] of entries) {
    yield key
    yield value
  }
}

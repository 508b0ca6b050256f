// Reads what torch.save wrote before 1.6 (and still does when asked): pickles one after another, then the storages.
import { storedRun, type ByteRun } from '../byte-run.ts'
import { bytesPerElement } from '../dtypes.ts'
import { invalidFile, type FileBytes } from '../file-bytes.ts'
import { describe, isDict, isGlobal, isSequence } from '../file-values.ts'
import { createCursor, type PickleCursor } from '../pickle/cursor.ts'
import { createBudget } from '../pickle/machine.ts'
import { callPython } from '../pickle/python.ts'
import { readPickle, type PickleMeaning } from '../pickle/read.ts'
import type { FileDtype, FileTensor, FileValue, TensorFile } from '../tensor-file.ts'
import { tensorReaders } from '../tensor-readers.ts'
import type { TensorPlace } from '../tensor-values.ts'
import { callTorch } from './rebuild.ts'
import { createStorages, parseStorageReference } from './storages.ts'

const magicNumber = 0x1950a86a20f9469cfc6cn
const protocolVersion = 1001
/** Before each storage's elements stands their number. */
const countBytes = 8

/** @throws TrainqlError `CHECKPOINT_INVALID` */
export function readTorchLegacy(file: FileBytes): TensorFile {
  const { what, bytes } = file
  const cursor = createCursor({ what, bytes, readSync: (target, at) => file.readSync(target, at) })
  const budget = createBudget(bytes, what)
  const plain: PickleMeaning = {
    budget,
    loadPersistent(id) {
      throw invalidFile(what, 'plain values before the model', `a reference: ${describe(id)}`)
    },
    call: (name, args) => callPython(name, args, budget),
  }
  readPreamble(cursor, plain)

  const storages = createStorages(budget)
  /** By key, as the pickle says; the file says it again. */
  const declared = new Map<string, { dtype: FileDtype | null; elements: number }>()
  const context = { what, budget, storages }
  const root = readPickle(cursor, {
    budget,
    loadPersistent(id) {
      const reference = parseStorageReference(id, what)
      if (reference === null) return loadClass(id, what)
      const { key, dtype, elements } = reference
      if (!declared.has(key)) declared.set(key, { dtype, elements })
      const first = declared.get(key)
      if (first?.dtype !== dtype || first.elements !== elements)
        throw invalidFile(what, `storage "${key}" of one type and size`, 'two that disagree')
      return storages.add(reference)
    },
    call: (name, args) => callTorch(name, args, context),
  })
  const keys = readPickle(cursor, plain)
  const runs = findStorages(file, { keys, declared, at: cursor.position() })

  const placeOf = ({ storage }: FileTensor): TensorPlace => {
    const { key, byteOffset } = storages.placeOf(storage)
    return { run: runs.get(key) as ByteRun, byteOffset, byteOrder: 'LE' }
  }
  return {
    format: 'TORCH_LEGACY',
    root,
    metadata: {},
    bytes,
    ...tensorReaders(file, placeOf),
    close: () => file.close(),
  }
}

/** Magic number, version, and what machine wrote it; storages are little-endian on all. */
function readPreamble(cursor: PickleCursor, plain: PickleMeaning): void {
  const { what } = cursor
  const magic = readPickle(cursor, plain)
  if (magic !== magicNumber) {
    const found = isDict(magic) ? 'a plain pickle' : `a pickle of ${describe(magic)}`
    throw invalidFile(
      what,
      'a file of torch.save',
      found,
      'Load it in Python and save its state_dict() with torch.save.',
    )
  }
  const version = readPickle(cursor, plain)
  if (version !== protocolVersion)
    throw invalidFile(
      what,
      `version ${protocolVersion} of the format`,
      typeof version === 'number' ? `${version}` : describe(version),
    )
  const system = readPickle(cursor, plain)
  if (!isDict(system)) throw invalidFile(what, 'a dict about the machine that wrote it', describe(system))
}

/** `('module', class, source file, source)`: the class, named and left alone. */
function loadClass(id: FileValue, what: string): FileValue {
  const [tag, named] = isSequence(id, 'tuple') ? id.items : []
  if (tag !== 'module' || !isGlobal(named)) throw invalidFile(what, 'a reference to a storage or a class', 'another')
  return named
}

interface StoragesBehind {
  keys: FileValue
  declared: ReadonlyMap<string, { dtype: FileDtype | null; elements: number }>
  at: number
}

function findStorages(file: FileBytes, { keys, declared, at: begin }: StoragesBehind): Map<string, ByteRun> {
  const { what } = file
  if (!isSequence(keys, 'list')) throw invalidFile(what, 'a list of storage keys behind the model', describe(keys))
  const runs = new Map<string, ByteRun>()
  const count = Buffer.alloc(countBytes)
  let at = begin
  for (const key of keys.items) {
    const storage = typeof key === 'string' ? declared.get(key) : undefined
    if (storage === undefined || typeof key !== 'string' || runs.has(key))
      throw invalidFile(what, 'the key of a storage that the model names, once', describe(key))
    // Elements of unknown size: nothing behind them can be found.
    if (storage.dtype === null) throw invalidFile(what, `storage "${key}" of a type that is known here`, 'another')
    file.readSync(count, at)
    if (count.readBigUInt64LE() !== BigInt(storage.elements))
      throw invalidFile(what, `${storage.elements} elements of storage "${key}"`, `${count.readBigUInt64LE()}`)
    const bytes = storage.elements * bytesPerElement[storage.dtype]
    at += countBytes
    if (at + bytes > file.bytes)
      throw invalidFile(what, `storage "${key}" up to byte ${at + bytes}`, `a file of ${file.bytes} bytes`)
    runs.set(key, storedRun(file, at, { bytes, crc32: null }))
    at += bytes
  }
  for (const key of declared.keys())
    if (!runs.has(key)) throw invalidFile(what, `storage "${key}" behind the model`, 'none, so the file is cut short')
  return runs
}

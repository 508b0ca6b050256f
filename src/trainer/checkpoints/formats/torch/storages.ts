// The storages a PyTorch file names: what their elements are, and which tensors are views of them.
import { bytesPerElement } from '../dtypes.ts'
import { invalidFile } from '../file-bytes.ts'
import { describe, isGlobal, isSequence } from '../file-values.ts'
import { cost, newObject, type Budget } from '../pickle/machine.ts'
import type { FileDtype, FileObject, FileStorage, FileValue } from '../tensor-file.ts'

const storageDtypes: ReadonlyMap<string, FileDtype> = new Map([
  ['Float', 'F32'],
  ['Double', 'F64'],
  ['Half', 'F16'],
  ['BFloat16', 'BF16'],
  ['Long', 'I64'],
  ['Int', 'I32'],
  ['Short', 'I16'],
  ['Char', 'I8'],
  ['Byte', 'U8'],
  ['Bool', 'BOOL'],
  // Bytes without a type of their own.
  ['Untyped', 'U8'],
  ['_Untyped', 'U8'],
])

/** Of the module `torch`. @throws RangeError for a dtype without one. */
export function storageClass(dtype: FileDtype): string {
  const [kind] = [...storageDtypes].find(([, known]) => known === dtype) ?? []
  if (kind === undefined) throw new RangeError(`PyTorch has no storage class for ${dtype}`)
  return `${kind}Storage`
}

/** A `torch.float16` of a pickle. Those without one here leave their tensors unread. */
export const torchDtypes: ReadonlyMap<string, FileDtype> = new Map([
  ['torch.float32', 'F32'],
  ['torch.float64', 'F64'],
  ['torch.float16', 'F16'],
  ['torch.bfloat16', 'BF16'],
  ['torch.int64', 'I64'],
  ['torch.int32', 'I32'],
  ['torch.int16', 'I16'],
  ['torch.int8', 'I8'],
  ['torch.uint64', 'U64'],
  ['torch.uint32', 'U32'],
  ['torch.uint16', 'U16'],
  ['torch.uint8', 'U8'],
  ['torch.bool', 'BOOL'],
])

/** `('storage', torch.FloatStorage, '0', 'cuda:3', 1024)`, and a view in files of before 1.6. */
export interface StorageReference {
  /** Null: of a dtype that is not read here, so that tensors over it stay inert. */
  dtype: FileDtype | null
  key: string
  device: string
  elements: number
  view: { key: string; offset: number; elements: number } | null
}

/** @throws TrainqlError `CHECKPOINT_INVALID` */
export function parseStorageReference(id: FileValue, what: string): StorageReference | null {
  if (!isSequence(id, 'tuple')) throw invalidFile(what, 'a reference to a storage', describe(id))
  const [tag, type, key, device, elements, view = null] = id.items
  if (tag !== 'storage') return null
  if (!isGlobal(type) || typeof key !== 'string' || !isCount(elements))
    throw invalidFile(what, 'a storage with type, key and size', [type, key, elements].map(describe).join(', '))
  const kind = /^torch\.(?:\w+\.)*?(\w*)Storage$/.exec(type.name)?.[1] ?? ''
  return {
    dtype: storageDtypes.get(kind) ?? null,
    key,
    device: typeof device === 'string' ? device : 'unknown',
    elements,
    view: view === null ? null : parseView(view, elements, what),
  }
}

function parseView(view: FileValue, within: number, what: string): StorageReference['view'] {
  const [key, offset, elements] = isSequence(view, 'tuple') ? view.items : []
  if (typeof key !== 'string' || !isCount(offset) || !isCount(elements))
    throw invalidFile(what, 'a view of a storage with key, offset and size', describe(view))
  if (offset + elements > within)
    throw invalidFile(
      what,
      `a view within the ${within} elements of its storage`,
      `elements up to ${offset + elements}`,
    )
  return { key, offset, elements }
}

export function isCount(value: FileValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** Where a storage's elements begin within what the file keeps under `key`. */
export interface StoragePlace {
  key: string
  byteOffset: number
}

export interface Storages {
  /** What stands for a storage among a pickle's values. */
  add(reference: StorageReference): FileObject
  find(value: FileValue | undefined): FileStorage | undefined
  /** The same bytes as elements of another type. */
  reinterpret(storage: FileStorage, dtype: FileDtype): FileStorage
  placeOf(storage: FileStorage): StoragePlace
}

export function createStorages(budget: Budget): Storages {
  const handles = new Map<FileValue, FileStorage>()
  const places = new Map<FileStorage, StoragePlace>()
  const known = new Map<string, FileStorage>()

  /** One object for one storage, so that tensors which share it can be told. */
  const intern = (storage: FileStorage, place: StoragePlace): FileStorage => {
    const { dtype, elements, device } = storage
    const identity = [place.byteOffset, dtype, elements, device, place.key].join(' ')
    const same = known.get(identity)
    if (same !== undefined) return same
    budget.charge(2 * cost.object + cost.character * identity.length)
    known.set(identity, storage)
    places.set(storage, place)
    return storage
  }
  const placeOf = (storage: FileStorage): StoragePlace => {
    const place = places.get(storage)
    if (place === undefined) throw new Error(`storage ${storage.key} is of another file`)
    return place
  }
  return {
    add({ dtype, key, device, elements, view }) {
      const handle = newObject({ budget }, 'torch.storage', [key, device])
      if (dtype === null) return handle
      const storage = intern(
        { key: view?.key ?? key, dtype, elements: view?.elements ?? elements, device },
        { key, byteOffset: (view?.offset ?? 0) * bytesPerElement[dtype] },
      )
      budget.charge(cost.entry)
      handles.set(handle, storage)
      return handle
    },
    find: (value) => (value === undefined ? undefined : handles.get(value)),
    reinterpret(storage, dtype) {
      const bytes = storage.elements * bytesPerElement[storage.dtype]
      const elements = Math.floor(bytes / bytesPerElement[dtype])
      return intern({ ...storage, dtype, elements }, placeOf(storage))
    },
    placeOf,
  }
}

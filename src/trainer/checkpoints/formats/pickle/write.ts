// Writes a pickle of protocol 2, as torch.save does: plain data, and tensors by reference to their storages.
import { elementCount } from '../../../models/parameters.ts'
import type { RawTensor } from '../../safetensors.ts'
import { storageClass } from '../torch/storages.ts'
import { rowMajorStrides } from '../tensor-values.ts'

/** Row-major and little-endian; one that comes twice is written once. */
export interface TorchTensor extends RawTensor {
  kind: 'tensor'
}

export interface TorchDict {
  kind: 'dict' | 'orderedDict'
  entries: ReadonlyMap<TorchValue, TorchValue>
}

export interface TorchList {
  kind: 'list' | 'tuple'
  items: readonly TorchValue[]
}

/** In Python a `number` is a float and a `bigint` an int: `1` would be `1.0`, `1n` is `1`. */
export type TorchValue = null | boolean | number | bigint | string | TorchTensor | TorchDict | TorchList

export interface WrittenPickle {
  bytes: Buffer
  /** The storages it refers to: the first is "0". */
  storages: TorchTensor[]
}

interface Writer {
  /** The first `used` bytes are written. One that grows, for joining tens of thousands of small ones takes long. */
  room: Buffer
  used: number
  storages: TorchTensor[]
  keys: Map<TorchTensor, string>
  /** Strings and names written before, by what they are, with the number they are remembered by. */
  memo: Map<string, number>
}

export function writePickle(value: TorchValue): WrittenPickle {
  const room = Buffer.allocUnsafeSlow(64 * 1024)
  const writer: Writer = { room, used: 0, storages: [], keys: new Map(), memo: new Map() }
  put(writer, Buffer.from([0x80, 2]))
  write(writer, value)
  op(writer, '.')
  return { bytes: writer.room.subarray(0, writer.used), storages: writer.storages }
}

function write(writer: Writer, value: TorchValue): void {
  if (value === null) op(writer, 'N')
  else if (typeof value === 'boolean') put(writer, Buffer.from([value ? 0x88 : 0x89]))
  else if (typeof value === 'number') writeFloat(writer, value)
  else if (typeof value === 'bigint') writeInteger(writer, value)
  else if (typeof value === 'string') writeString(writer, value)
  else
    switch (value.kind) {
      case 'tensor':
        return writeTensor(writer, value)
      case 'tuple':
        return writeTuple(writer, value.items)
      case 'list':
        op(writer, '](')
        for (const item of value.items) write(writer, item)
        return op(writer, 'e')
      case 'dict':
        op(writer, '}')
        return writeEntries(writer, value.entries)
      case 'orderedDict':
        writeOrderedDict(writer)
        return writeEntries(writer, value.entries)
      default:
        return value satisfies never
    }
}

function writeEntries(writer: Writer, entries: TorchDict['entries']): void {
  op(writer, '(')
  for (const [key, item] of entries) {
    write(writer, key)
    write(writer, item)
  }
  op(writer, 'u')
}

function writeTuple(writer: Writer, items: readonly TorchValue[]): void {
  if (items.length === 0) return op(writer, ')')
  op(writer, '(')
  for (const item of items) write(writer, item)
  op(writer, 't')
}

function writeFloat(writer: Writer, value: number): void {
  const bytes = Buffer.from('G\0\0\0\0\0\0\0\0')
  bytes.writeDoubleBE(value, 1)
  put(writer, bytes)
}

/** In two's complement with as many bytes as it takes. */
function writeInteger(writer: Writer, value: bigint): void {
  if (value >= 0n && value < 256n) return put(writer, Buffer.from([0x4b, Number(value)]))
  if (value === BigInt.asIntN(32, value)) {
    const bytes = Buffer.from('J\0\0\0\0')
    bytes.writeInt32LE(Number(value), 1)
    return put(writer, bytes)
  }
  let count = 8
  while (value !== BigInt.asIntN(8 * count, value)) count += 1
  const digits = BigInt.asUintN(8 * count, value)
    .toString(16)
    .padStart(2 * count, '0')
  put(writer, Buffer.from([0x8a, count]))
  put(writer, Buffer.from(digits, 'hex').reverse())
}

function writeString(writer: Writer, value: string): void {
  remembered(writer, `string ${value}`, () => {
    const text = Buffer.from(value, 'utf8')
    const head = Buffer.from('X\0\0\0\0')
    head.writeUInt32LE(text.length, 1)
    put(writer, head)
    put(writer, text)
  })
}

function writeGlobal(writer: Writer, module: string, name: string): void {
  remembered(writer, `global ${module} ${name}`, () => op(writer, `c${module}\n${name}\n`))
}

function writeOrderedDict(writer: Writer): void {
  writeGlobal(writer, 'collections', 'OrderedDict')
  op(writer, ')R')
}

/** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks)` */
function writeTensor(writer: Writer, tensor: TorchTensor): void {
  const counts = (values: readonly number[]) => writeTuple(writer, values.map(BigInt))
  writeGlobal(writer, 'torch._utils', '_rebuild_tensor_v2')
  op(writer, '((')
  writeString(writer, 'storage')
  writeGlobal(writer, 'torch', storageClass(tensor.dtype))
  writeString(writer, keyOf(writer, tensor))
  writeString(writer, 'cpu')
  writeInteger(writer, BigInt(elementCount(tensor.shape)))
  op(writer, 'tQ')
  writeInteger(writer, 0n)
  counts(tensor.shape)
  counts(rowMajorStrides(tensor.shape))
  put(writer, Buffer.from([0x89]))
  writeOrderedDict(writer)
  op(writer, 'tR')
}

function keyOf({ keys, storages }: Writer, tensor: TorchTensor): string {
  const key = keys.get(tensor) ?? `${storages.length}`
  if (!keys.has(tensor)) {
    keys.set(tensor, key)
    storages.push(tensor)
  }
  return key
}

/** Writes what was not written before and remembers it; else refers to it. */
function remembered(writer: Writer, what: string, first: () => void): void {
  const known = writer.memo.get(what)
  if (known !== undefined) return memoOp(writer, { short: 'h', long: 'j' }, known)
  first()
  memoOp(writer, { short: 'q', long: 'r' }, writer.memo.size)
  writer.memo.set(what, writer.memo.size)
}

function memoOp(writer: Writer, { short, long }: { short: string; long: string }, index: number): void {
  const bytes = Buffer.alloc(index < 256 ? 2 : 5)
  bytes.write(index < 256 ? short : long, 'latin1')
  if (index < 256) bytes.writeUInt8(index, 1)
  else bytes.writeUInt32LE(index, 1)
  put(writer, bytes)
}

function op(writer: Writer, codes: string): void {
  reserve(writer, codes.length)
  writer.used += writer.room.write(codes, writer.used, 'latin1')
}

function put(writer: Writer, bytes: Uint8Array): void {
  reserve(writer, bytes.length)
  writer.room.set(bytes, writer.used)
  writer.used += bytes.length
}

function reserve(writer: Writer, count: number): void {
  if (writer.used + count <= writer.room.length) return
  const room = Buffer.allocUnsafeSlow(2 * (writer.used + count))
  room.set(writer.room.subarray(0, writer.used))
  writer.room = room
}

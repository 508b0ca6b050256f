// What a pickle's operations work on: a stack with marks, a memo, and a budget that the file's size sets.
import { invalidFile } from '../file-bytes.ts'
import { describe, isDict, isObject, isSequence } from '../file-values.ts'
import type { FileDict, FileList, FileObject, FileValue } from '../tensor-file.ts'
import type { PickleCursor } from './cursor.ts'

export interface Machine {
  cursor: PickleCursor
  stack: FileValue[]
  /** Heights of the stack where marks were set. */
  marks: number[]
  memo: Map<number, FileValue>
  budget: Budget
  /** What a reference to something outside the pickle (a storage) is. */
  loadPersistent: (id: FileValue) => FileValue
  /** What calling a function or a class is: mostly an inert object. */
  call: (name: string, args: FileValue[]) => FileValue
}

/** Estimates, on the high side, of what values take in memory. */
export const cost = {
  slot: 24,
  memo: 80,
  string: 32,
  character: 2,
  number: 16,
  bytes: 240,
  list: 256,
  dict: 256,
  entry: 80,
  object: 512,
}

export interface Budget {
  /** @throws TrainqlError `CHECKPOINT_INVALID` once more was made than the file may make. */
  charge(bytes: number): void
}

/** A pickle is a description: what it makes takes a small multiple of the file, or the file is an attack. */
export function createBudget(fileBytes: number, what: string): Budget {
  const limit = Math.max(2 * fileBytes, 32 * 1024 * 1024)
  let left = limit
  return {
    charge(bytes) {
      left -= bytes
      if (left < 0) throw invalidFile(what, `values within ${limit} bytes of memory`, 'more')
    },
  }
}

/** A Map holds 2^24 entries; a checkpoint's largest some hundred thousand. */
const mostEntries = 2 ** 23

export function createMachine(parts: Omit<Machine, 'stack' | 'marks' | 'memo'>): Machine {
  return { ...parts, stack: [], marks: [], memo: new Map() }
}

export function push({ stack, budget }: Machine, value: FileValue): void {
  budget.charge(cost.slot)
  stack.push(value)
}

export function pop(machine: Machine): FileValue {
  const { stack, marks } = machine
  if (stack.length <= (marks.at(-1) ?? 0)) throw malformed(machine, 'a value on the stack', 'none')
  machine.budget.charge(-cost.slot)
  return stack.pop() as FileValue
}

export function top(machine: Machine): FileValue {
  const { stack, marks } = machine
  if (stack.length <= (marks.at(-1) ?? 0)) throw malformed(machine, 'a value on the stack', 'none')
  return stack.at(-1) as FileValue
}

/** What was pushed since the last mark, which goes too. */
export function popToMark(machine: Machine): FileValue[] {
  const height = machine.marks.pop()
  if (height === undefined) throw malformed(machine, 'a mark on the stack', 'none')
  const values = machine.stack.splice(height)
  machine.budget.charge(-cost.slot * (values.length + 1))
  return values
}

export function mark({ stack, marks, budget }: Machine): void {
  budget.charge(cost.slot)
  marks.push(stack.length)
}

export function memoise(machine: Machine, index: number): void {
  const { memo, budget } = machine
  if (memo.size >= mostEntries) throw malformed(machine, `at most ${mostEntries} remembered values`, 'more')
  budget.charge(cost.memo)
  memo.set(index, top(machine))
}

export function recall(machine: Machine, index: number): void {
  const value = machine.memo.get(index)
  if (value === undefined) throw malformed(machine, `a value remembered as ${index}`, 'none')
  push(machine, value)
}

export function newDict({ budget }: Machine): FileDict {
  budget.charge(cost.dict)
  return { kind: 'dict', entries: new Map() }
}

export function newList({ budget }: Machine, kind: FileList['kind'], items: FileValue[] = []): FileList {
  budget.charge(cost.list + cost.slot * items.length)
  return { kind, items }
}

export function newObject({ budget }: Pick<Machine, 'budget'>, global: string, args: FileValue[]): FileObject {
  budget.charge(cost.object + cost.slot * args.length)
  return { kind: 'object', global, arguments: args, state: null, entries: new Map(), items: [] }
}

/** Keys and values in turn, into a dict or what was made as one. */
export function setItems(machine: Machine, target: FileValue, pairs: readonly FileValue[]): void {
  if (!isDict(target) && !isObject(target)) throw malformed(machine, 'a dict to set items of', describe(target))
  if (pairs.length % 2 !== 0) throw malformed(machine, 'a value for each key', 'a key without one')
  machine.budget.charge((cost.entry * pairs.length) / 2)
  for (let index = 0; index < pairs.length; index += 2)
    target.entries.set(pairs[index] as FileValue, pairs[index + 1] as FileValue)
  if (target.entries.size > mostEntries) throw malformed(machine, `dicts of at most ${mostEntries} entries`, 'more')
}

export function addItems(machine: Machine, target: FileValue, items: readonly FileValue[]): void {
  if (!isSequence(target, 'list', 'set') && !isObject(target))
    throw malformed(machine, 'a list or a set to add to', describe(target))
  machine.budget.charge(cost.slot * items.length)
  for (const item of items) target.items.push(item)
}

export function malformed({ cursor }: Pick<Machine, 'cursor'>, expected: string, found: string): Error {
  return invalidFile(cursor.what, `${expected}, at byte ${cursor.position()} of a pickle`, found)
}

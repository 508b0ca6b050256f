// The operations of a pickle that put values together: containers, memo, stack.
import { describe, isSequence } from '../file-values.ts'
import type { FileValue } from '../tensor-file.ts'
import type { Operation } from './literals.ts'
import * as m from './machine.ts'

const latestProtocol = 5

export const structure: ReadonlyMap<number, Operation> = new Map<number, Operation>(
  (
    [
      [0x80, checkProtocol],
      [0x95, skipFrame],
      ['(', m.mark],
      ['0', pop],
      ['1', (machine) => void m.popToMark(machine)],
      ['2', (machine) => m.push(machine, m.top(machine))],
      ['}', (machine) => m.push(machine, m.newDict(machine))],
      [']', (machine) => m.push(machine, m.newList(machine, 'list'))],
      [')', (machine) => m.push(machine, m.newList(machine, 'tuple'))],
      [0x8f, (machine) => m.push(machine, m.newList(machine, 'set'))],
      [0x91, (machine) => m.push(machine, m.newList(machine, 'set', m.popToMark(machine)))],
      ['t', (machine) => m.push(machine, m.newList(machine, 'tuple', m.popToMark(machine)))],
      ['l', (machine) => m.push(machine, m.newList(machine, 'list', m.popToMark(machine)))],
      ['d', dictToMark],
      [0x85, (machine) => tupleOf(machine, 1)],
      [0x86, (machine) => tupleOf(machine, 2)],
      [0x87, (machine) => tupleOf(machine, 3)],
      ['a', append],
      ['e', (machine) => withItems(machine, m.addItems)],
      [0x90, (machine) => withItems(machine, m.addItems)],
      ['s', setItem],
      ['u', (machine) => withItems(machine, m.setItems)],
      ['p', (machine) => m.memoise(machine, memoIndex(machine))],
      ['q', (machine) => m.memoise(machine, machine.cursor.byte())],
      ['r', (machine) => m.memoise(machine, machine.cursor.take(4).readUInt32LE())],
      [0x94, (machine) => m.memoise(machine, machine.memo.size)],
      ['g', (machine) => m.recall(machine, memoIndex(machine))],
      ['h', (machine) => m.recall(machine, machine.cursor.byte())],
      ['j', (machine) => m.recall(machine, machine.cursor.take(4).readUInt32LE())],
    ] as [string | number, Operation][]
  ).map(([code, operation]) => [typeof code === 'string' ? code.charCodeAt(0) : code, operation]),
)

function checkProtocol(machine: m.Machine): void {
  const protocol = machine.cursor.byte()
  if (protocol > latestProtocol) throw m.malformed(machine, `protocol 0 to ${latestProtocol}`, `${protocol}`)
}

/** A frame's length only helps those who read ahead; what it says is not needed. */
function skipFrame({ cursor }: m.Machine): void {
  cursor.take(8)
}

/** Right above a mark there is nothing but the mark to take. */
function pop(machine: m.Machine): void {
  if (machine.stack.length === machine.marks.at(-1)) m.popToMark(machine)
  else m.pop(machine)
}

function dictToMark(machine: m.Machine): void {
  const pairs = m.popToMark(machine)
  const dict = m.newDict(machine)
  m.setItems(machine, dict, pairs)
  m.push(machine, dict)
}

function tupleOf(machine: m.Machine, count: 1 | 2 | 3): void {
  const items: FileValue[] = []
  for (let index = 0; index < count; index += 1) items.unshift(m.pop(machine))
  m.push(machine, m.newList(machine, 'tuple', items))
}

function append(machine: m.Machine): void {
  const item = m.pop(machine)
  m.addItems(machine, m.top(machine), [item])
}

function setItem(machine: m.Machine): void {
  const value = m.pop(machine)
  const key = m.pop(machine)
  m.setItems(machine, m.top(machine), [key, value])
}

function withItems(
  machine: m.Machine,
  put: (machine: m.Machine, target: FileValue, items: readonly FileValue[]) => void,
): void {
  const items = m.popToMark(machine)
  put(machine, m.top(machine), items)
}

function memoIndex(machine: m.Machine): number {
  const line = machine.cursor.line().toString('latin1')
  if (!/^\d{1,10}$/.test(line)) throw m.malformed(machine, 'the number of a remembered value', 'something else')
  return Number(line)
}

/** The items of a tuple on top of the stack, as calls take them. */
export function popArguments(machine: m.Machine): FileValue[] {
  const value = m.pop(machine)
  if (!isSequence(value, 'tuple')) throw m.malformed(machine, 'a tuple of arguments', describe(value))
  return value.items
}

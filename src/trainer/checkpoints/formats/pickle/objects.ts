// The operations of a pickle that in Python import and call things. Here they import and call nothing: they note names.
import { describe, isDict, isGlobal, isObject, isSequence, isTensor } from '../file-values.ts'
import type { FileValue } from '../tensor-file.ts'
import { decodeText, type Operation } from './literals.ts'
import * as m from './machine.ts'
import { popArguments } from './structure.ts'

export const objects: ReadonlyMap<number, Operation> = new Map<number, Operation>(
  (
    [
      ['c', (machine) => pushGlobal(machine, line(machine), line(machine))],
      [0x93, stackGlobal],
      ['R', reduce],
      [0x81, newObject],
      [0x92, newObjectWithKeywords],
      ['i', instance],
      ['o', objectToMark],
      ['b', build],
      ['Q', (machine) => m.push(machine, machine.loadPersistent(m.pop(machine)))],
      ['P', (machine) => m.push(machine, machine.loadPersistent(line(machine)))],
      ...[0x82, 0x83, 0x84].map((code) => [code, refuse('a name rather than a number that one program registered')]),
      ...[0x97, 0x98].map((code) => [code, refuse('bytes within the file rather than beside it')]),
    ] as [string | number, Operation][]
  ).map(([code, operation]) => [typeof code === 'string' ? code.charCodeAt(0) : code, operation]),
)

function line(machine: m.Machine): string {
  return decodeText(machine, machine.cursor.line(), 'utf8')
}

function pushGlobal(machine: m.Machine, module: string, name: string): void {
  machine.budget.charge(m.cost.object)
  m.push(machine, { kind: 'global', name: `${module}.${name}` })
}

function stackGlobal(machine: m.Machine): void {
  const name = m.pop(machine)
  const module = m.pop(machine)
  if (typeof name !== 'string' || typeof module !== 'string')
    throw m.malformed(machine, 'two strings as a name', `${describe(module)} and ${describe(name)}`)
  // Strings that are put together again and again would grow without bytes in the file.
  machine.budget.charge(m.cost.string + m.cost.character * (module.length + name.length))
  pushGlobal(machine, module, name)
}

function reduce(machine: m.Machine): void {
  const args = popArguments(machine)
  m.push(machine, machine.call(nameOf(machine, m.pop(machine)), args))
}

function newObject(machine: m.Machine): void {
  const args = popArguments(machine)
  m.push(machine, machine.call(nameOf(machine, m.pop(machine)), args))
}

/** Keyword arguments are kept as a last one. */
function newObjectWithKeywords(machine: m.Machine): void {
  const keywords = m.pop(machine)
  const args = popArguments(machine)
  m.push(machine, machine.call(nameOf(machine, m.pop(machine)), [...args, keywords]))
}

function instance(machine: m.Machine): void {
  const name = `${line(machine)}.${line(machine)}`
  m.push(machine, machine.call(name, m.popToMark(machine)))
}

function objectToMark(machine: m.Machine): void {
  const [made, ...args] = m.popToMark(machine)
  if (made === undefined) throw m.malformed(machine, 'a class to make an object of', 'nothing')
  m.push(machine, machine.call(nameOf(machine, made), args))
}

/**
 * What is called: a name; of a class inside a class, which Python asks `getattr` for, both names; of anything else the
 * name of what it is.
 */
function nameOf(machine: m.Machine, called: FileValue): string {
  if (isGlobal(called)) return called.name
  if (!isObject(called)) throw m.malformed(machine, 'something to call', describe(called))
  const [owner, attribute] = called.arguments
  if (called.global.endsWith('.getattr') && isGlobal(owner) && typeof attribute === 'string') {
    machine.budget.charge(m.cost.string + m.cost.character * (owner.name.length + attribute.length))
    return `${owner.name}.${attribute}`
  }
  return called.global
}

/** State is kept on objects; what a dict, a list or a tensor carries beside its content (hooks, metadata) is not. */
function build(machine: m.Machine): void {
  const state = m.pop(machine)
  const target = m.top(machine)
  if (isObject(target)) target.state = state
  else if (!isDict(target) && !isTensor(target) && !isSequence(target, 'list', 'set'))
    throw m.malformed(machine, 'an object to set the state of', describe(target))
}

function refuse(expected: string): Operation {
  return (machine) => {
    throw m.malformed(machine, expected, 'the other')
  }
}

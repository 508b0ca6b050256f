// Reads a pickle (protocols 0 to 5) into inert values. Nothing it names is looked for, imported or called.
// Format: the comments of Python's pickletools; https://docs.python.org/3/library/pickletools.html
import type { FileValue } from '../tensor-file.ts'
import type { PickleCursor } from './cursor.ts'
import { literals, type Operation } from './literals.ts'
import { createMachine, malformed, pop, type Budget, type Machine } from './machine.ts'
import { objects } from './objects.ts'
import { structure } from './structure.ts'

export interface PickleMeaning {
  budget: Budget
  /** What a reference to something outside the pickle is. */
  loadPersistent: Machine['loadPersistent']
  /** What calling a function or a class by these names is. */
  call: Machine['call']
}

const stop = '.'.charCodeAt(0)

const operations: (Operation | undefined)[] = Array.from({ length: 256 })
for (const [code, operation] of [...literals, ...structure, ...objects]) operations[code] = operation

/**
 * Reads one pickle up to its end and leaves the cursor behind it. Takes time in proportion to its length.
 * @throws TrainqlError `CHECKPOINT_INVALID`
 */
export function readPickle(cursor: PickleCursor, meaning: PickleMeaning): FileValue {
  const machine = createMachine({ cursor, ...meaning })
  for (;;) {
    const code = cursor.byte()
    if (code === stop) return pop(machine)
    const operation = operations[code]
    if (operation === undefined) throw malformed(machine, 'an operation', `byte ${code}`)
    operation(machine)
  }
}

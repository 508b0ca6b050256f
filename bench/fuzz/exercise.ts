// Reads a file as far as anybody does: its values, and every tensor in it.
import { isTrainqlError } from '../../src/shared/errors.ts'
import { eachValue, isTensor } from '../../src/trainer/checkpoints/formats/file-values.ts'
import { openTensorFile } from '../../src/trainer/checkpoints/formats/open.ts'

/** `refused`: with the error that users are told. Anything else is a fault. */
export type Outcome = { kind: 'read' } | { kind: 'refused'; message: string } | { kind: 'fault'; message: string }

export async function exercise(path: string): Promise<Outcome> {
  try {
    const file = await openTensorFile(path)
    try {
      for (const value of eachValue(file.root)) if (isTensor(value)) await file.readFloats(value)
    } finally {
      await file.close()
    }
    return { kind: 'read' }
  } catch (error) {
    if (isTrainqlError(error) && error.code === 'CHECKPOINT_INVALID') return { kind: 'refused', message: error.message }
    return { kind: 'fault', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

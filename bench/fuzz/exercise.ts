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
      const tensors = [...eachValue(file.root)].filter(isTensor)
      for (const tensor of tensors) await file.readFloats(tensor)
      await file.readAll(tensors)
    } finally {
      await file.close()
    }
    return { kind: 'read' }
  } catch (error) {
    if (isTrainqlError(error) && error.code === 'CHECKPOINT_INVALID') return { kind: 'refused', message: error.message }
    return { kind: 'fault', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

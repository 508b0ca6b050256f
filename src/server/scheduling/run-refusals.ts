// Why the server takes no run on, in words.
import { TrainqlError } from '../../shared/errors.ts'

export function stopping(): TrainqlError {
  return new TrainqlError({
    code: 'CONFLICT',
    message: 'The server is stopping and takes no more runs.',
    fix: 'Create the run again once the server has been started again.',
  })
}

// What the database says where a device has a holder already, in words.
import { TrainqlError } from '../../shared/errors.ts'
import { Prisma } from '../prisma-client/client.ts'
import type { ProjectedBatch } from './run.projection.ts'

/** The error itself, or, where the batch leases a device that another run holds, the typed one. */
export function leaseTakenOr(error: unknown, runId: string, { attemptsLeased }: ProjectedBatch): unknown {
  const isTaken =
    error instanceof Prisma.PrismaClientKnownRequestError &&
    error.code === 'P2002' &&
    error.meta?.['modelName'] === 'Lease'
  if (!isTaken) return error
  const names = attemptsLeased.flatMap(({ isHeld, deviceNames }) => (isHeld ? deviceNames : []))
  return new TrainqlError(
    {
      code: 'CONFLICT',
      message: `The directory of run ${runId} says that the run holds ${names.join(', ')}, which another run holds already.`,
      fix: 'Move the directory of the run that is not of this machine out of the data directory.',
    },
    { cause: error },
  )
}

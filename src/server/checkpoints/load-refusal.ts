// The error of a load that was refused: it has the report that says why.
import { TrainqlError } from '../../shared/errors.ts'
import type { LoadReport } from '../../shared/load-report.ts'

/** A load that was refused, with what would have come of it. */
export class LoadRefusal extends TrainqlError {
  readonly report: LoadReport

  constructor(details: { message: string; fix: string }, report: LoadReport) {
    super({ code: 'CHECKPOINT_INVALID', ...details })
    this.report = report
  }
}

// The error of a load that did not come about, with the report that says why.
import { TrainqlError, type ErrorDetails } from '../../shared/errors.ts'
import type { LoadReport } from '../../shared/load-report.ts'

export class LoadRefused extends TrainqlError {
  readonly report: LoadReport

  constructor({ message, fix, field }: Omit<ErrorDetails, 'code'>, report: LoadReport) {
    super({ code: 'CHECKPOINT_INVALID', message, fix, field })
    this.report = report
  }
}

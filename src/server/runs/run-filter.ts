// Which runs are listed.
import type { Architecture } from '../../shared/run-spec.ts'
import type { RunState } from '../../shared/run-state.ts'

/** Null: no matter. */
export interface RunFilter {
  states: readonly RunState[] | null
  /** Part of the name, in capitals or not. */
  name: string | null
  architecture: Architecture | null
  dataset: string | null
  /** Held, or last held. */
  device: string | null
  createdFrom: Date | null
  /** Itself excluded. */
  createdBefore: Date | null
  /** Id of the run that they were made from. */
  forkedFrom: string | null
}

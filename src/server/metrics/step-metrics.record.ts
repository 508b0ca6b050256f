// Plain records of steps' measurements.

export interface StepPointRecord {
  /** Position in the run's stream. */
  cursor: number
  attempt: number
  epoch: number
  step: number
  /** Null where it was not finite. */
  loss: number | null
  nonFinite: boolean
  learningRate: number
  imagesPerSecond: number
  at: Date
  /** A later attempt has trained this step anew. */
  superseded: boolean
}

/** Steps of a run in the order in which they were taken, thinned where there are more than asked for. */
export interface StepSeriesRecord {
  /** Before thinning. */
  steps: number
  points: StepPointRecord[]
}

/** Which steps of a run are shown, and in how many points at most. */
export interface StepSeriesRequest {
  /** At least 4: a bucket may take as many. */
  maxPoints: number
  /** Both included; null: no bound. */
  fromStep: number | null
  toStep: number | null
  /** Null: of every attempt. */
  attempt: number | null
  /** Also those that a later attempt has trained anew. */
  includeSuperseded: boolean
}

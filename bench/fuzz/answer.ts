// What the fuzzing worker says of a number of mutants.
import { z } from 'zod'

export const fuzzAnswer = z.object({
  read: z.number(),
  refused: z.number(),
  /** What no reader may do, with the mutant's number. */
  faults: z.array(z.string()),
  slowestMs: z.number(),
  slowest: z.string(),
  /** Memory beyond what the process had before, at the mutant that took most. */
  peakBytes: z.number(),
  largest: z.string(),
})
export type FuzzAnswer = z.output<typeof fuzzAnswer>

// Which tables hold what run directories hold, and which are nobody's but the database's. A new table has to be put into one
// of the two lists; a test sees to it.

/** Made anew by a rebuild. */
export const trainingTables = [
  'Run',
  'Attempt',
  'EventLog',
  'Event',
  'StepMetrics',
  'StepBlock',
  'EpochMetrics',
  'Checkpoint',
  'Lease',
] as const
export type TrainingTable = (typeof trainingTables)[number]

/** Left as they are: which devices there are is found at each start, and whether they take runs is their users' word. */
export const keptTables = ['Device'] as const

// What the rebuild process is asked and what it answers: one JSON request as its argument, JSON lines out. The command line
// starts it; it is the server's own code, without the server.
import { z } from 'zod'
import { parseWith } from './parse-with.ts'

const count = z.number().int().min(0)

export const rebuildRequestSchema = z.strictObject({
  /** Compare with what is stored, and change nothing. */
  check: z.boolean(),
  /** Differences that are told one by one. */
  limit: count.default(20),
})
export type RebuildRequest = z.output<typeof rebuildRequestSchema>

const countsSchema = z.strictObject({
  runs: count,
  /** Of all kinds, steps too. */
  events: count,
  steps: count,
  checkpoints: count,
})
export type RebuildCounts = z.output<typeof countsSchema>

const refusedSchema = z.strictObject({
  /** Its directory's name. */
  run: z.string(),
  code: z.string(),
  message: z.string(),
  fix: z.string(),
  /** What the database has of it: what was stored before, what could be read, or nothing. */
  kept: z.enum(['STORED', 'READ', 'NOTHING']),
})
/** A run directory that could not be read to its end. */
export type RefusedRun = z.output<typeof refusedSchema>

const differenceSchema = z.strictObject({
  table: z.string(),
  /** Of the row, such as `runId=… cursor=3`. */
  key: z.string(),
  /** MISSING: only the directories have the row; EXTRA: only the database has it; OTHER: a column is another one. */
  kind: z.enum(['MISSING', 'EXTRA', 'OTHER']),
  /** Of OTHER; its two values as JSON. */
  column: z.string().nullable(),
  stored: z.string().nullable(),
  rebuilt: z.string().nullable(),
})
export type TableDifference = z.output<typeof differenceSchema>

const resultFields = {
  home: z.string(),
  counts: countsSchema,
  seconds: z.number(),
  /** Of the reading and storing alone. */
  eventsPerSecond: z.number(),
  refused: z.array(refusedSchema),
  /** Runs that are stored and whose directories are no more. */
  gone: z.array(z.string()),
}

const rebuildAnswerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('PROGRESS'),
    stage: z.enum(['READING', 'COMPARING', 'INSTALLING']),
    runs: count,
    ofRuns: count,
    events: count,
  }),
  z.strictObject({ kind: z.literal('REBUILT'), ...resultFields }),
  z.strictObject({
    kind: z.literal('CHECKED'),
    ...resultFields,
    /** Rows that differ, by table; tables without any are absent. */
    differing: z.array(z.strictObject({ table: z.string(), count })),
    /** The first of them. */
    first: z.array(differenceSchema),
    /** Runs whose directories hold more than is stored, which the server takes over when it starts; no difference. */
    behind: z.array(z.string()),
  }),
  z.strictObject({ kind: z.literal('FAILED'), code: z.string(), message: z.string(), fix: z.string() }),
])
/** Any number of PROGRESS lines, then one other. */
export type RebuildAnswer = z.output<typeof rebuildAnswerSchema>
export type RebuildProgress = Extract<RebuildAnswer, { kind: 'PROGRESS' }>
export type RebuildResult = Extract<RebuildAnswer, { kind: 'REBUILT' | 'CHECKED' }>

/** @throws TrainqlError `INVALID_INPUT` */
export function parseRebuildRequest(input: unknown): RebuildRequest {
  return parseWith(rebuildRequestSchema, input, 'rebuild request')
}

/** @throws TrainqlError `INVALID_INPUT` */
export function parseRebuildAnswer(input: unknown): RebuildAnswer {
  return parseWith(rebuildAnswerSchema, input, 'rebuild answer')
}

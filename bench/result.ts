// One run of a bench as `--json` prints it and `--out` keeps it.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { BenchError } from './bench.ts'

const figure = z.number().nullable()
const detail = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))

const rowSchema = z.discriminatedUnion('status', [
  z.object({
    name: z.string(),
    status: z.literal('measured'),
    unit: z.string(),
    ours: figure,
    peer: figure,
    ratio: figure,
    value: figure,
    bar: figure,
    detail,
    parts: z.array(detail).optional(),
  }),
  z.object({ name: z.string(), status: z.enum(['skipped', 'failed']), reason: z.string() }),
])

const resultSchema = z.object({
  bench: z.string(),
  date: z.string(),
  machine: z.object({
    cpu: z.string(),
    cores: z.number(),
    memoryBytes: z.number(),
    isa: z.array(z.string()),
    os: z.string(),
    node: z.string(),
  }),
  rows: z.array(rowSchema),
})
export type Result = z.output<typeof resultSchema>

/** Whole or not at all, so that a run which is cut off leaves the rows it had. */
export function saveResult(file: string, result: Result): void {
  const unfinished = `${file}.part`
  writeFileSync(unfinished, `${JSON.stringify(result, null, 2)}\n`)
  renameSync(unfinished, file)
}

/** @throws BenchError where the file is no saved result. */
export function readResult(file: string): Result {
  try {
    return resultSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : String(error)
    throw new BenchError(`${file}: expected a result that --out wrote; ${why}`)
  }
}

// What the bench tells its trainers, and the table in which they keep when each event was appended.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const paceSchema = z.object({ eventsPerSecond: z.number().positive(), events: z.number().int().positive() })
export type Pace = z.output<typeof paceSchema>

export function parsePace(input: unknown): Pace {
  return paceSchema.parse(input)
}

/** Lets the trainer of a run begin. */
export function letGo(directory: string, pace: Pace): void {
  writeFileSync(join(directory, 'go.json.part'), JSON.stringify(pace))
  renameSync(join(directory, 'go.json.part'), join(directory, 'go.json'))
}

export const stampsFile = (directory: string): string => join(directory, 'stamps')

/** Nanoseconds of the monotonic clock at which step n was appended, at place n. */
export function readStamps(directory: string): BigInt64Array {
  const bytes = readFileSync(stampsFile(directory))
  return new BigInt64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
}

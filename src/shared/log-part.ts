// How the parts of an attempt's log hang together: the last line of one that is full names the next, whose first line names
// it. So one that is missing is missed, and no line is read twice.
import { z } from 'zod'
import { parseWith } from './parse-with.ts'

const count = z.number().int().min(0)
const link = {
  run: z.string(),
  attempt: count,
  /** The part that the line is in. */
  part: z.number().int().positive(),
  /** The last event before the line. */
  lastSeq: count,
}

const partLinkSchema = z.discriminatedUnion('type', [
  /** The last line: nothing is written to this part any more. Its successor is on the disk before. */
  z.object({ ...link, type: z.literal('partSealed'), next: z.string() }),
  /** The first line of every part but the first. */
  z.object({ ...link, type: z.literal('partOpened'), previous: z.string() }),
])
export type PartLink = z.output<typeof partLinkSchema>

/** Whether the object of a line is to be one of these, and no event. */
export function hasLinkType(object: unknown): boolean {
  const type = (object as { type?: unknown } | null)?.type
  return type === 'partSealed' || type === 'partOpened'
}

export function isPartLink(record: { type: string }): record is PartLink {
  return hasLinkType(record)
}

/** @throws TrainqlError `INVALID_INPUT` */
export function parsePartLink(input: unknown): PartLink {
  return parseWith(partLinkSchema, input, 'link between parts of a log')
}

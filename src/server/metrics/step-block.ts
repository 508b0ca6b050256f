// Blocks of steps: so many consecutive events of a run are summed up once they are all there, so that a chart of a long
// run need not read each of its steps. A block is filled by the run's cursors alone: whatever batches the events came in,
// and in a database that is built anew, the blocks are the same.

/** Events, of which nearly all are steps. The migration that moved older steps knows this number too. */
export const blockEvents = 128

/** The cursors `from` to `upTo` whose blocks became whole when the run's newest event moved from `before` to `last`. */
export function wholeBlocks(before: number, last: number): { from: number; upTo: number } | null {
  const from = before - (before % blockEvents)
  const upTo = last - (last % blockEvents)
  return upTo > from ? { from: from + 1, upTo } : null
}

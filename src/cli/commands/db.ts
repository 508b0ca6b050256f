// `trainql db`: has the rebuild process do the work, and shows how far it is and what came of it.
import { askProcess } from '../../shared/ask-process.ts'
import { parseRebuildAnswer } from '../../shared/rebuild-process.ts'
import { printable } from '../checkpoint/printable.ts'
import type { DbPlan } from '../db/parse.ts'
import { isFine, renderRebuild, renderRebuildProgress } from '../db/results.ts'
import { CliFailure } from '../failure.ts'
import { watchInterruption } from '../interruption.ts'
import { dataDirectory, rebuildEntry } from '../places.ts'
import { createScreen, type Streams } from '../terminal/screen.ts'

/**
 * Resolves with the exit code: 1 where there are differences, or a directory could not be read to its end.
 * @throws CliFailure; the interruption, which leaves what was stored as it was
 */
export async function db({ check, limit, home, json }: DbPlan, { stdout, stderr }: Streams): Promise<number> {
  const screen = createScreen(json ? stderr : stdout, process.env)
  const interruption = watchInterruption()
  try {
    const { answer, end } = await askProcess(
      {
        entry: rebuildEntry,
        request: { check, limit },
        parse: parseRebuildAnswer,
        environment: { TRAINQL_HOME: home ?? dataDirectory() },
      },
      {
        signal: interruption.asked,
        onProgress: (progress) => screen.status(renderRebuildProgress(progress)),
        onStderr: (text) => stderr.write(text),
      },
    )
    screen.status()
    if (answer === null) {
      const how = end.signal ?? `exit code ${end.code ?? 'unknown'}`
      throw new CliFailure(
        `The rebuild ended (${how}) without an answer.`,
        'What was stored is unchanged; run it again.',
      )
    }
    if (json) stdout.write(`${JSON.stringify(answer)}\n`)
    const shown = printable(answer)
    if (shown.kind === 'FAILED') {
      if (json) return 1
      throw new CliFailure(shown.message, shown.fix)
    }
    if (!json) for (const line of renderRebuild(shown, screen.style)) screen.line(line)
    return isFine(shown) ? 0 : 1
  } finally {
    screen.status()
    interruption.dispose()
  }
}

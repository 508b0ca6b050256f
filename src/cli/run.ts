// Carries out a plan and turns whatever goes wrong into words on standard error and an exit code.
import { checkpoint } from './commands/checkpoint.ts'
import { db } from './commands/db.ts'
import { demo } from './commands/demo.ts'
import { metrics } from './commands/metrics.ts'
import { start } from './commands/start.ts'
import { isExplained } from './failure.ts'
import { renderHelp } from './help.ts'
import { Interrupted } from './interruption.ts'
import { parse, type Plan } from './parse.ts'
import { packageVersion } from './places.ts'
import type { Streams } from './terminal/screen.ts'
import { UsageError } from './values.ts'

export const exitCodes = { ok: 0, failure: 1, usage: 2 } as const

/** Never throws. Resolves with the exit code. */
export async function run(argv: readonly string[], streams: Streams): Promise<number> {
  try {
    return await execute(parse(argv), streams)
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode
    if (isExplained(error)) {
      streams.stderr.write(`error: ${error.message}\n  fix: ${error.fix}\n`)
      return error instanceof UsageError ? exitCodes.usage : exitCodes.failure
    }
    streams.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    return exitCodes.failure
  }
}

async function execute(plan: Plan, streams: Streams): Promise<number> {
  switch (plan.command) {
    case 'help':
      streams.stdout.write(renderHelp(plan.topic))
      return exitCodes.ok
    case 'version':
      streams.stdout.write(`${packageVersion()}\n`)
      return exitCodes.ok
    case 'start':
      return start(plan)
    case 'demo':
      return demo(plan, streams)
    case 'checkpoint':
      return checkpoint(plan, streams)
    case 'metrics':
      return metrics(plan, streams)
    case 'db':
      return db(plan, streams)
    default:
      return plan satisfies never
  }
}

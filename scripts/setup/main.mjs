// The set-up's command line: which steps are due, one line for each that runs, and one way out.
import { mkdirSync, rmSync } from 'node:fs'
import { CommandFailed, interruptCommand } from './command.mjs'
import { dueReason } from './due.mjs'
import { acquireLock } from './lock.mjs'
import { root, stateFolder } from './places.mjs'
import { createReport } from './report.mjs'
import { readStamp, writeStamp } from './stamps.mjs'
import { steps } from './steps.mjs'

const usage = `Usage: node scripts/setup.mjs [options]

Installs dependencies, generates the database client, builds the native engine, the server and the playground.
Only what changed since the last time is done.

  --quiet     print only what is done
  --check     do nothing; list what is due, and leave with 1 if anything is
  --rebuild   build everything anew (dependencies are kept where they match the lock file)
  --strict    a native engine that does not compile is an error, not a warning
  --help      this text

TRAINQL_SKIP_SYSTEM_PACKAGES=1 keeps it from installing a missing compiler through the system's package manager.`

const options = ['--quiet', '--check', '--rebuild', '--strict', '--help']

export async function main(args) {
  const unknown = args.find((arg) => !options.includes(arg))
  if (unknown !== undefined) {
    process.stderr.write(`Unknown option "${unknown}".\n${usage}\n`)
    process.exitCode = 2
    return
  }
  if (args.includes('--help')) {
    process.stdout.write(`${usage}\n`)
    return
  }
  const report = createReport({ quiet: args.includes('--quiet') })
  if (args.includes('--check')) check(report)
  else await setUp(report, { rebuild: args.includes('--rebuild'), strict: args.includes('--strict') })
}

function check(report) {
  const due = steps.map((step) => ({ step, reason: dueReason(step) })).filter(({ reason }) => reason !== null)
  for (const { step, reason } of due) report.line(`due: ${step.title} (${reason})`)
  if (due.length === 0) report.line('set-up: up to date')
  else process.exitCode = 1
}

async function setUp(report, { rebuild, strict }) {
  const wait = (holder) => report.line(`waiting for another set-up to end (process ${holder})`)
  let lock = null
  const leave = (signal) => {
    interruptCommand(signal)
    lock?.release()
    report.interrupted()
    process.exit(signal === 'SIGINT' ? 130 : 143)
  }
  process.on('SIGINT', leave).on('SIGTERM', leave)
  try {
    for (const step of steps) {
      const anew = rebuild && step.inputs !== undefined
      if (!anew && dueReason(step) === null) {
        if (isDegraded(step)) report.remind(readStamp(step.name).message)
        continue
      }
      if (!step.applies()) continue
      // Taken only when there is something to do, so that ten commands at once on a ready clone do not queue.
      lock ??= await acquireLock({ onWait: wait })
      // Whoever held the lock may have done this step meanwhile.
      if (!anew && dueReason(step) === null) continue
      await runStep(step, { report, rebuild: anew })
    }
    if (strict && steps.some((step) => step.mustNotDegrade && isDegraded(step))) process.exitCode = 1
    report.end()
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    report.failed(error)
    process.exitCode = 1
  } finally {
    lock?.release()
  }
}

/** Whether the step could only be done in part, and that still shows. */
function isDegraded(step) {
  return step.applies() && readStamp(step.name)?.outcome === 'degraded' && step.missingOutput() !== null
}

async function runStep(step, { report, rebuild }) {
  const stamp = readStamp(step.name)
  mkdirSync(stateFolder, { recursive: true })
  // Taken before the work: an input that changes meanwhile makes the step due again.
  const key = step.inputs?.().key
  // Without its stamp an interrupted step counts as never done.
  writeStamp(step.name, null)
  if (rebuild) for (const path of step.cleans ?? []) rmSync(new URL(path, root), { recursive: true, force: true })
  const progress = report.begin(step.title)
  try {
    const warning = await step.run({ fresh: rebuild || stamp === null, note: progress.note })
    if (warning) {
      writeStamp(step.name, { key, outcome: 'degraded', message: warning.summary })
      progress.degraded()
      report.warn([warning.summary, warning.detail].filter(Boolean).join('\n'))
    } else {
      writeStamp(step.name, { key, outcome: 'done' })
      progress.done()
    }
  } catch (error) {
    progress.failed()
    throw error
  }
}

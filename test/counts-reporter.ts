// Ends a test run with why tests were skipped, and with one line of counts that people and CI read alike.
import type { Reporter, SerializedError, TestModule, Vitest } from 'vitest/node'

interface Counts {
  passed: number
  failed: number
  skipped: number
}

export default class CountsReporter implements Reporter {
  private selective = false

  onInit(vitest: Vitest): void {
    this.selective = vitest.config.testNamePattern !== undefined
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    // With `-t`, most tests are skipped because nobody asked for them.
    for (const { name, reason } of this.selective ? [] : skippedTests(modules))
      process.stdout.write(`skipped: ${name}: ${reason}\n`)
    process.stdout.write(`${countsLine(count(modules, unhandledErrors))}\n`)
  }
}

export function countsLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

/** A file that could not be loaded, a failed hook and an unhandled error each count as one failure. */
function count(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): Counts {
  const counts: Counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
  for (const module of modules) {
    counts.failed += module.errors().length
    for (const suite of module.children.allSuites()) counts.failed += suite.errors().length
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      // A test still pending at the end never ran: its worker died or the run was cut short.
      counts[state === 'pending' ? 'failed' : state] += 1
    }
  }
  return counts
}

function skippedTests(modules: readonly TestModule[]): { name: string; reason: string }[] {
  return modules.flatMap((module) =>
    [...module.children.allTests('skipped')].map((test) => {
      const result = test.result()
      const note = result.state === 'skipped' ? result.note : undefined
      return { name: test.fullName, reason: note ?? 'no reason given' }
    }),
  )
}

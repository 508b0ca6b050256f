// How the tests run: real processes in forks, one file more at once than there are cores, and a last line with the counts.
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { isUpToDate } from './scripts/setup/due.mjs'

// A developer's own settings must not decide a test; only the choice of the PyTorch peer may come from outside.
for (const name of Object.keys(process.env)) {
  if (name.startsWith('TRAINQL_') && name !== 'TRAINQL_PYTHON') delete process.env[name]
}
delete process.env['DATABASE_URL']
delete process.env['PORT']

/** Test files that need a process of their own, each for what it says itself. */
const alone = ['test/engine/tfjs-cpu.test.ts']

const shared = {
  // Vite would take the package's ES modules and its dependents, loaded by Node, the CommonJS ones: two realms of GraphQL.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
}

const sharedTest = {
  ...(isUpToDate('server') && { setupFiles: 'test/built-entries.ts' }),
  pool: 'forks' as const,
  // A file that waits for servers and trainers looks idle to V8, which then collects all garbage again and again beside them.
  execArgv: ['--no-memory-reducer'],
  // Only bounds what hangs: two cores are shared by engines, databases and browsers here.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  restoreMocks: true,
  unstubEnvs: true,
}

export default defineConfig({
  ...shared,
  test: {
    ...(isUpToDate('server') && { globalSetup: 'test/build-entries.ts' }),
    // A file waits a fifth of its time, for disks and clocks.
    maxWorkers: availableParallelism() + 1,
    teardownTimeout: 20_000,
    dangerouslyIgnoreUnhandledErrors: false,
    reporters: ['default', './test/counts-reporter.ts'],
    projects: [
      {
        ...shared,
        // A fork goes on with the next file: what the server imports is loaded, and compiled, once for all of them.
        test: { ...sharedTest, name: 'together', isolate: false, include: ['test/**/*.test.ts'], exclude: alone },
      },
      { ...shared, test: { ...sharedTest, name: 'alone', include: alone } },
    ],
  },
})

// How the tests run: real processes in forks, as many files at once as there are cores, and a last line with the counts.
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { isUpToDate } from './scripts/setup/due.mjs'

// A developer's own settings must not decide a test; only the choice of the PyTorch peer may come from outside.
for (const name of Object.keys(process.env)) {
  if (name.startsWith('TRAINQL_') && name !== 'TRAINQL_PYTHON') delete process.env[name]
}
delete process.env['DATABASE_URL']
delete process.env['PORT']

export default defineConfig({
  // Vite would take the package's ES modules and its dependents, loaded by Node, the CommonJS ones: two realms of GraphQL.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    ...(isUpToDate('server') && { globalSetup: 'test/build-entries.ts', setupFiles: 'test/built-entries.ts' }),
    pool: 'forks',
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Only bounds what hangs: two cores are shared by engines, databases and browsers here.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    restoreMocks: true,
    unstubEnvs: true,
    dangerouslyIgnoreUnhandledErrors: false,
    reporters: ['default', './test/counts-reporter.ts'],
  },
})

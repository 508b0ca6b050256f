// Generates the SDK's types and documents from schema.graphql, from the installed packages alone.
// With --check nothing is written and drift is an error.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const check = process.argv.includes('--check')
const unknown = process.argv.slice(2).find((argument) => argument !== '--check')
if (unknown !== undefined) fail(`Unknown argument "${unknown}".`, 'Use: node scripts/codegen.mjs [--check]')

const generator = join(root, 'node_modules/@graphql-codegen/cli/esm/bin.js')
if (!existsSync(generator)) fail('The code generator is not installed.', 'Run `npm run setup`.')

const arguments_ = [generator, '--config', 'codegen.yml', ...(check ? ['--check'] : [])]
const { status, signal, stdout, stderr } = spawnSync(process.execPath, arguments_, {
  cwd: root,
  encoding: 'utf8',
  // Listr draws a spinner otherwise.
  env: { ...process.env, CI: '1', NO_COLOR: '1' },
})
if (status !== 0) {
  process.stderr.write(stdout + stderr)
  fail(
    check
      ? 'The SDK does not match schema.graphql and its operations.'
      : `The generator ended with ${signal ?? status}.`,
    check ? 'Run `npm run codegen` and commit src/sdk/generated.' : 'Correct what it names above.',
  )
}
process.stdout.write(check ? 'SDK: matches the schema\n' : 'SDK: generated\n')

function fail(message, fix) {
  process.stderr.write(`${message}\n${fix}\n`)
  process.exit(1)
}

// Generates the Prisma client without the engine download that Prisma's command line insists on.
//
// The generator `prisma-client` is pure JavaScript and WebAssembly and starts no engine, but the command line
// fetches a schema engine before it runs any generator unless it is told where one lies. Node's own executable
// satisfies that check. Only ever for `generate`: `migrate` would start what it is given.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const cli = join(dirname(createRequire(import.meta.url).resolve('prisma/package.json')), 'build', 'index.js')
const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'generate'], {
  cwd: root,
  encoding: 'utf8',
  env: {
    ...process.env,
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
  },
})
if (status !== 0) {
  process.stderr.write(`${stdout}${stderr}Generating the Prisma client failed.\n`)
  process.exit(status ?? 1)
}

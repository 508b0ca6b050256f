// Writes `schema.graphql` from the code, or with `--check` fails where the committed file differs.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createSchema, printSortedSchema } from './schema.ts'

const file = fileURLToPath(new URL('../../schema.graphql', import.meta.url))
const emitted = printSortedSchema(createSchema())

if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== emitted) {
    process.stderr.write('schema.graphql differs from the code. Run: node --import tsx src/server/emit-schema.ts\n')
    process.exitCode = 1
  }
} else {
  writeFileSync(file, emitted)
}

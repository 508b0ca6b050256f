// The committed SDK is what the generator makes of the committed schema.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

test('npm run codegen would change nothing', () => {
  const output = execFileSync(process.execPath, ['scripts/codegen.mjs', '--check'], { cwd: root, encoding: 'utf8' })
  expect(output).toBe('SDK: matches the schema\n')
})

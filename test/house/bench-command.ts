// Runs the bench command as a user does.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { entryCommand } from '../../src/shared/entry.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const entry = new URL('../../bench/main.ts', import.meta.url)

export async function bench(args: string[], env: Record<string, string> = {}) {
  const [command, ...entryArgs] = entryCommand(entry)
  const child = spawn(command, [...entryArgs, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...output }
}

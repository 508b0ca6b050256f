// Runs this folder's Python scripts where a Python with PyTorch is found (TRAINQL_PYTHON, else python3).
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const python = process.env['TRAINQL_PYTHON'] ?? 'python3'

/** What a script of this folder prints. */
export async function runPython(script: string, ...args: string[]): Promise<string> {
  const file = fileURLToPath(new URL(script, import.meta.url))
  const { stdout } = await promisify(execFile)(python, [file, ...args], { maxBuffer: 2 ** 24 })
  return stdout
}

/** As `runPython`, or why it cannot run here: no Python, or no PyTorch in it. */
export async function tryPython(script: string, ...args: string[]): Promise<{ stdout: string } | { missing: string }> {
  try {
    return { stdout: await runPython(script, ...args) }
  } catch (error) {
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
    const last = stderr.trim().split('\n').at(-1) ?? ''
    return { missing: `${python} cannot run ${script}: ${last === '' ? String(error) : last}` }
  }
}

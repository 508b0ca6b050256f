// Runs Python scripts of the tests where a Python with PyTorch is found (TRAINQL_PYTHON, else python3).
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const python = process.env['TRAINQL_PYTHON'] ?? 'python3'

/** What a script prints; its path from this folder. */
export async function runPython(script: string, ...args: string[]): Promise<string> {
  const file = fileURLToPath(new URL(script, import.meta.url))
  const { stdout } = await promisify(execFile)(python, [file, ...args], { maxBuffer: 2 ** 24 })
  return stdout
}

/** As `runPython`, or why it cannot run here: no Python, or not the packages in it. Whatever else fails, fails. */
export async function tryPython(script: string, ...args: string[]): Promise<{ stdout: string } | { missing: string }> {
  try {
    return { stdout: await runPython(script, ...args) }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if ('code' in error && error.code === 'ENOENT')
      return { missing: `${python} cannot run ${script}: ${error.message}` }
    const last = 'stderr' in error ? (String(error.stderr).trim().split('\n').at(-1) ?? '') : ''
    if (!/^(ModuleNotFound|Import)Error: /.test(last)) throw error
    return { missing: `${python} cannot run ${script}: ${last}` }
  }
}

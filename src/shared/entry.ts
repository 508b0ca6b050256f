// How one of our processes starts another of our entry files, both built (`dist/*.js`) and from source under tsx.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * Command and arguments that run `entry`, given as the URL of its `.ts` source relative to the caller
 * (`new URL('../trainer/main.ts', import.meta.url)`). Beside built code the `.js` of the same name is taken.
 */
export function entryCommand(entry: URL): [command: string, ...args: string[]] {
  const source = fileURLToPath(entry)
  const built = source.replace(/\.ts$/, '.js')
  if (existsSync(built)) return [process.execPath, built]
  return [process.execPath, '--import', import.meta.resolve('tsx'), source]
}

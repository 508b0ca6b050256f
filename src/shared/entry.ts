// How one of our processes starts another of our entry files, both built (`dist/*.js`) and from source under tsx.
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'

/** The folder that holds `shared/`: `src` or `dist`. */
const ownFolder = fileURLToPath(new URL('../', import.meta.url))
let builtFolder: string | null = null

/**
 * From here on this process, run from source, starts what `folder` has built of it, which takes a third of the time.
 * What is there must be of the same source.
 */
export function startBuilt(folder: URL): void {
  builtFolder = fileURLToPath(folder)
}

/** The built twin of a source file, where there is one to be used. */
function findBuilt(source: string): string | null {
  const beside = source.replace(/\.ts$/, '.js')
  if (existsSync(beside)) return beside
  if (builtFolder === null || !source.startsWith(ownFolder)) return null
  const built = join(builtFolder, relative(ownFolder, beside))
  return existsSync(built) ? built : null
}

/**
 * Command and arguments that run `entry`, given as the URL of its `.ts` source relative to the caller
 * (`new URL('../trainer/main.ts', import.meta.url)`). Beside built code the `.js` of the same name is taken.
 */
export function entryCommand(entry: URL): [command: string, ...args: string[]] {
  const source = fileURLToPath(entry)
  const built = findBuilt(source)
  if (built !== null) return [process.execPath, built]
  return [process.execPath, '--import', import.meta.resolve('tsx'), source]
}

/** Starts a worker thread of ours, by the same rule. */
export function startWorker(entry: URL, workerData: unknown): Worker {
  const source = fileURLToPath(entry)
  const built = findBuilt(source)
  if (built !== null) return new Worker(built, { workerData })
  // `--import tsx` has no effect in a worker thread of Node 20: there tsx is registered by call.
  const code = `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))})
    .then(({ register }) => { register(); return import(${JSON.stringify(pathToFileURL(source).href)}) })`
  return new Worker(code, { eval: true, workerData })
}

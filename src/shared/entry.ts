// How one of our processes starts another of our entry files, both built (`dist/*.js`) and from source under tsx.
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'

/** Folders of sources, and that of what is built of each. */
const builds = new Map<string, string>()

/**
 * From here on this process, run from source, starts what was built of a folder's entry files, which takes a third of the
 * time. It must be of the same source; where there is none the source is started.
 */
export function startBuilt({ source, built }: { source: URL; built: URL }): void {
  builds.set(fileURLToPath(source), fileURLToPath(built))
}

/** The built twin of a source file, where there is one to be used. */
function findBuilt(source: string): string | null {
  const output = source.replace(/\.ts$/, '.js')
  const elsewhere = [...builds]
    .filter(([folder]) => source.startsWith(folder))
    .map(([folder, built]) => join(built, relative(folder, output)))
  return [output, ...elsewhere].find((file) => existsSync(file)) ?? null
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

// Bundles processes that only benches and tests start, so that they too run built: reading them through tsx takes longer than
// what many of them do, and keeps a thread whose collections of garbage fall into what is measured.
import { mkdtempSync, rmSync } from 'node:fs'
import { relative, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Plugin } from 'vite'
import { startBuilt } from '../src/shared/entry.ts'

const inRepository = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

/** What is imported of `src` is there already, as set-up has built it. */
const fromDist: Plugin = {
  name: 'trainql:from-dist',
  enforce: 'pre',
  async resolveId(source, importer) {
    if (!source.startsWith('.')) return null
    const path = (await this.resolve(source, importer))?.id
    if (path === undefined || !path.startsWith(inRepository('src/'))) return null
    const built = relative(inRepository('src'), path).replaceAll(sep, '/').replace(/\.ts$/, '.js')
    return { id: new URL(built, pathToFileURL(inRepository('dist/'))).href, external: 'absolute' }
  },
}

/** A bench finds its peers, its data and the built server from where its source lies. */
const besideSource: Plugin = {
  name: 'trainql:beside-source',
  enforce: 'pre',
  transform(code, id) {
    if (!id.startsWith(inRepository('bench/')) || !code.includes('import.meta.url')) return null
    return { code: code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href)), map: null }
  },
}

/**
 * Bundles entry files, named by their place in the repository without `.ts`, into a folder of this process's own.
 * @returns the folder; whoever asked removes it.
 */
export async function bundle(entries: readonly string[]): Promise<string> {
  const folder = mkdtempSync(inRepository('build/entries-'))
  await build({
    configFile: false,
    logLevel: 'warn',
    plugins: [fromDist, besideSource],
    build: {
      ssr: true,
      target: 'node20',
      outDir: folder,
      rolldownOptions: {
        input: Object.fromEntries(entries.map((entry) => [entry, inRepository(`${entry}.ts`)])),
        output: { entryFileNames: '[name].js' },
      },
    },
  })
  return folder
}

let workers: Promise<void> | null = null

/** From here on the worker that trains in a bench is started built, as the trainers of users are. */
export function buildWorkers(): Promise<void> {
  workers ??= bundle(['bench/workers/train']).then((folder) => {
    process.once('exit', () => rmSync(folder, { recursive: true }))
    startBuilt({ source: new URL('../', import.meta.url), built: pathToFileURL(`${folder}/`) })
  })
  return workers
}

// Which TensorFlow.js package would be used here, found on disk without loading any; and loading it.
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TrainqlError } from '../../../shared/errors.ts'
import type { Operations } from './layers.ts'
import type { Tf } from './windows.ts'

/** TensorFlow's own library, WebAssembly, or plain JavaScript (far slower: for tests). */
export const tfjsBackends = ['tensorflow', 'wasm', 'cpu'] as const
export type TfjsBackend = (typeof tfjsBackends)[number]

export interface TfjsProbe {
  packageName: string
  version: string
  backend: TfjsBackend
  /** The package computes on NVIDIA GPUs, where TensorFlow finds one. */
  servesCuda: boolean
  /** For people: package, version, backend, and why better packages were passed over. */
  detail: string
}

/** Best first. Each fetches its binary in its install step: an optional peer, often absent. */
const nativePackages = [
  { packageName: '@tensorflow/tfjs-node-gpu', servesCuda: true },
  { packageName: '@tensorflow/tfjs-node', servesCuda: false },
] as const

const portablePackage = '@tensorflow/tfjs'
const wasmPackage = '@tensorflow/tfjs-backend-wasm'

/** tfjs-node 4.22 calls functions of node:util that Node 23 removed. */
const lastNodeOfTfjsNode = 22

/** What `openTfjsEngine()` would use; reads a few files, loads nothing. */
export async function probeTfjs(backend?: TfjsBackend): Promise<TfjsProbe> {
  const passedOver: string[] = []
  if (backend === undefined || backend === 'tensorflow') {
    for (const { packageName, servesCuda } of nativePackages) {
      const state = await nativePackageState(packageName)
      if (state === undefined) continue
      if ('unusable' in state) {
        passedOver.push(`${packageName} is installed but ${state.unusable}`)
        continue
      }
      const detail = [`${packageName} ${state.version}`, ...passedOver].join('; ')
      return { packageName, version: state.version, backend: 'tensorflow', servesCuda, detail }
    }
    if (backend === 'tensorflow') throw noTensorflow(passedOver)
  }
  const { version } = await readPackage(portablePackage)
  const portable = backend ?? 'wasm'
  const detail = [`${portablePackage} ${version} on its ${portable} backend`, ...passedOver].join('; ')
  return { packageName: portablePackage, version, backend: portable, servesCuda: false, detail }
}

/**
 * Loads the package that the probe found and starts its backend.
 * @throws TrainqlError `ENGINE_UNAVAILABLE` where it does not start.
 */
export async function loadTfjs(probe: TfjsProbe): Promise<Operations> {
  try {
    const tf = await importPackage(probe.packageName)
    if (probe.backend === 'wasm') await import(wasmPackage)
    tf.enableProdMode()
    if (!(await tf.setBackend(probe.backend))) throw new Error(`its ${probe.backend} backend does not start`)
    await tf.ready()
    return { tf, hasFilterGradient: hasKernel(tf, 'Conv2DBackpropFilter', probe.backend) }
  } catch (error) {
    throw new TrainqlError(
      {
        code: 'ENGINE_UNAVAILABLE',
        message: `${probe.packageName} ${probe.version} does not start: ${error instanceof Error ? error.message : String(error)}`,
        fix: `Run \`npm rebuild ${probe.packageName}\`, or uninstall it: the wasm backend then serves CPU devices.`,
      },
      { cause: error },
    )
  }
}

/** Whether TensorFlow itself found a GPU; only the `tensorflow` backend can say. */
export function usesGpu(tf: Tf): boolean {
  return (tf.backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true
}

async function nativePackageState(name: string): Promise<{ version: string } | { unusable: string } | undefined> {
  const root = packageRoot(name)
  if (root === undefined) return undefined
  const major = Number(process.versions.node.split('.')[0])
  if (major > lastNodeOfTfjsNode) return { unusable: `does not run on Node ${major} (at most ${lastNodeOfTfjsNode})` }
  // Its install step unpacks the binary as lib/napi-v<n>/tfjs_binding.node.
  const library = join(root, 'lib')
  const builds = existsSync(library) ? await readdir(library) : []
  if (!builds.some((build) => existsSync(join(library, build, 'tfjs_binding.node'))))
    return { unusable: 'lacks its binary (was it installed with --ignore-scripts?)' }
  return readPackage(name)
}

function packageRoot(name: string): string | undefined {
  try {
    return dirname(fileURLToPath(import.meta.resolve(`${name}/package.json`)))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  }
}

async function readPackage(name: string): Promise<{ version: string }> {
  const root = packageRoot(name)
  if (root === undefined) {
    throw new TrainqlError({
      code: 'ENGINE_UNAVAILABLE',
      message: `${name} is not installed.`,
      fix: 'Run `npm ci` in the project folder.',
    })
  }
  return JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
}

/** The packages are CommonJS: their exports are the default import. */
async function importPackage(name: string): Promise<Tf> {
  const module = (await import(name)) as Tf & { default?: Tf }
  return module.default ?? module
}

function hasKernel(tf: Tf, kernel: string, backend: TfjsBackend): boolean {
  return tf.getKernelsForBackend(backend).some(({ kernelName }) => kernelName === kernel)
}

function noTensorflow(passedOver: readonly string[]): TrainqlError {
  return new TrainqlError({
    code: 'ENGINE_UNAVAILABLE',
    message: ['No TensorFlow library for TensorFlow.js is installed', ...passedOver].join('; '),
    fix: 'Install @tensorflow/tfjs-node (CPU) or @tensorflow/tfjs-node-gpu (CUDA 11) on Node 20 or 22.',
  })
}

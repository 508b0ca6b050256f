// Chooses the engine of a run: `native` where its addon is built and serves the devices, else TensorFlow.js.
import { TrainqlError } from '../../shared/errors.ts'
import type { AssignedDevice, DeviceKind, EngineChoice, Precision } from '../../shared/run-spec.ts'
import type { Engine } from '../engine.ts'
import { withTypedFailures } from './typed-failures.ts'

/** What an engine could do on this machine, without opening it. */
export interface EngineInfo {
  name: 'native' | 'tfjs'
  available: boolean
  /** Instruction set or library, or why it is not available. */
  detail: string
  /** Kinds of devices it trains on. */
  serves: DeviceKind[]
  /** What it computes in. */
  precisions: Precision[]
}

/**
 * What its sessions throw is typed: see `withTypedFailures`.
 * @param precision what its sessions compute in, for its detail
 * @throws TrainqlError `ENGINE_UNAVAILABLE` where no installed engine serves the devices, naming what to install.
 */
export async function openEngine(
  choice: EngineChoice,
  devices: readonly AssignedDevice[],
  precision: Precision = 'FP32',
): Promise<Engine> {
  const onGpu = devices.some(({ kind }) => kind === 'CUDA')
  switch (choice) {
    case 'NATIVE': {
      const info = await probeNative()
      if (!info.available || onGpu)
        throw unavailable('native', onGpu ? 'it does not serve CUDA devices yet' : info.detail)
      return openNative(precision)
    }
    case 'TFJS':
      return openTfjs(onGpu)
    case 'AUTO':
      return !onGpu && (await probeNative()).available ? openNative(precision) : openTfjs(onGpu)
    default:
      return choice satisfies never
  }
}

/** Every engine, best first. */
export async function probeEngines(): Promise<EngineInfo[]> {
  const { probeTfjs } = await import('./tfjs.ts')
  const tfjs = await probeTfjs()
  return [
    await probeNative(),
    {
      name: 'tfjs',
      available: true,
      detail: tfjs.detail,
      serves: tfjs.servesCuda ? ['CPU', 'CUDA'] : ['CPU'],
      precisions: ['FP32'],
    },
  ]
}

async function probeNative(): Promise<EngineInfo> {
  const { probeNativeEngine } = await import('./native.ts')
  return { name: 'native', ...probeNativeEngine(), serves: ['CPU'] }
}

async function openNative(precision: Precision): Promise<Engine> {
  const { openNativeEngine } = await import('./native.ts')
  return withTypedFailures(await openNativeEngine(precision))
}

async function openTfjs(onGpu: boolean): Promise<Engine> {
  const { openTfjsEngine, probeTfjs } = await import('./tfjs.ts')
  if (onGpu && !(await probeTfjs()).servesCuda) {
    throw new TrainqlError({
      code: 'ENGINE_UNAVAILABLE',
      message: 'The run asks for a CUDA device, and no installed engine serves one.',
      fix: 'Install @tensorflow/tfjs-node-gpu (Node 20 or 22, CUDA 11), or ask for CPU devices.',
    })
  }
  return withTypedFailures(await openTfjsEngine())
}

function unavailable(name: string, why: string): TrainqlError {
  return new TrainqlError({
    code: 'ENGINE_UNAVAILABLE',
    message: `The ${name} engine cannot run here: ${why}.`,
    fix: 'Run `npm run setup` to build it, or choose the engine AUTO or TFJS.',
  })
}

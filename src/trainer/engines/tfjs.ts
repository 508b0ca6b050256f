// The portable engine: a model graph on TensorFlow.js, on the best backend that is installed.
import { TrainqlError } from '../../shared/errors.ts'
import type { Engine } from '../engine.ts'
import { checkSessionSpec } from './session-spec.ts'
import { sessionMemoryBytes } from './tfjs/memory.ts'
import { loadTfjs, probeTfjs, usesGpu, type TfjsBackend } from './tfjs/packages.ts'
import { createTfjsSession } from './tfjs/session.ts'

export { probeTfjs, type TfjsBackend, type TfjsProbe } from './tfjs/packages.ts'

export interface TfjsOptions {
  /** Default: `tensorflow` where tfjs-node-gpu or tfjs-node is installed, else `wasm`. One backend per process. */
  backend?: TfjsBackend
}

/** WebAssembly addresses 4 GiB, and the backend does not notice when an allocation fails: keep well below. */
const wasmLimitBytes = 3.5 * 2 ** 30

/** TensorFlow.js has one current backend per process. */
let current: TfjsBackend | undefined

/**
 * Devices of a session share the one backend and take their shards in turn.
 * @throws TrainqlError `ENGINE_UNAVAILABLE` where the backend is not installed or does not start, `CONFLICT`
 * where this process already computes on another backend.
 */
export async function openTfjsEngine({ backend }: TfjsOptions = {}): Promise<Engine> {
  const probe = await probeTfjs(backend ?? current)
  if (current !== undefined && current !== probe.backend) {
    throw new TrainqlError({
      code: 'CONFLICT',
      message: `This process already computes on the TensorFlow.js backend ${current}; got ${probe.backend}.`,
      fix: 'Use one backend per process.',
    })
  }
  current = probe.backend
  const operations = await loadTfjs(probe)
  const onGpu = usesGpu(operations.tf)

  return {
    name: 'tfjs',
    detail: `${probe.detail}${onGpu ? ' (GPU)' : ''}`,
    open(asked) {
      return Promise.resolve().then(() => {
        checkSessionSpec(asked)
        if (asked.precision === 'BF16') {
          throw new TrainqlError({
            code: 'ENGINE_UNAVAILABLE',
            field: 'precision',
            message: 'The TensorFlow.js engine computes in FP32; got precision BF16.',
            fix: 'Use the native engine on a processor with bfloat16 instructions, or precision FP32.',
          })
        }
        // On one backend, batch norm over the global batch is nothing but one shard that is all of it.
        const spec = asked.syncBatchNorm === true ? { ...asked, shards: 1 } : asked
        const device = spec.devices.find(({ kind }) => kind === 'CUDA')
        if (device !== undefined && !onGpu) {
          throw new TrainqlError({
            code: 'ENGINE_UNAVAILABLE',
            message: `${probe.detail} does not serve ${device.name}.`,
            fix: probe.servesCuda
              ? 'Install the CUDA 11 and cuDNN 8 libraries that TensorFlow 2.9 loads, or ask for CPU devices.'
              : 'Install @tensorflow/tfjs-node-gpu (Node 20 or 22, CUDA 11), or ask for CPU devices.',
          })
        }
        const memoryBytes = sessionMemoryBytes(spec)
        if (probe.backend === 'wasm' && memoryBytes > wasmLimitBytes) {
          throw new TrainqlError({
            code: 'OUT_OF_MEMORY',
            message: `The session needs about ${gib(memoryBytes)} GiB; the wasm backend addresses ${gib(wasmLimitBytes)}.`,
            fix:
              asked.syncBatchNorm === true
                ? 'Leave out syncBatchNorm (all shards are in memory at once), or use a smaller batch or the native engine.'
                : 'Use more shards (each is smaller), a smaller batch, or the native engine.',
          })
        }
        return createTfjsSession(operations, spec)
      })
    },
  }
}

function gib(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1)
}

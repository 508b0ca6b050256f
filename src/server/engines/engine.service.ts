// Which engines this machine has, asked of a short-lived process, so that the server loads none of them.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { z } from 'zod'
import { entryCommand } from '../../shared/entry.ts'
import { TrainqlError } from '../../shared/errors.ts'
import { precisions } from '../../shared/recipe.ts'
import { deviceKinds, type DeviceKind, type RunSpec } from '../../shared/run-spec.ts'
import type { Log } from '../log.ts'

const enginesSchema = z.array(
  z.object({
    name: z.string(),
    available: z.boolean(),
    detail: z.string(),
    serves: z.array(z.enum(deviceKinds)).default(['CPU']),
    precisions: z.array(z.enum(precisions)).default(['FP32']),
  }),
)
export type EngineRecord = z.output<typeof enginesSchema>[number]

const probeTimeoutMs = 60_000

export interface EngineService {
  /** Best first; probed once, at the first call. Empty where the probe failed, which is logged. */
  list(): Promise<EngineRecord[]>
  /**
   * @throws TrainqlError `ENGINE_UNAVAILABLE` where no installed engine serves the choice on this kind of device, or
   * none of them computes in the precision.
   */
  check(wanted: Pick<RunSpec, 'engine' | 'precision'>, kind: DeviceKind): Promise<void>
}

export function createEngineService({ probe, log }: { probe: URL; log: Log }): EngineService {
  let probed: Promise<EngineRecord[]> | undefined
  const list = (): Promise<EngineRecord[]> => {
    probed ??= probeEngines(probe).catch((error: unknown) => {
      log.error('The engine probe failed; runs are not checked for an engine before they start.', error)
      return []
    })
    return probed
  }
  return {
    list,
    async check({ engine: choice, precision }, kind) {
      // Every machine has an engine for CPU devices; asking which would hold up the first run by the probe's start.
      if (choice !== 'NATIVE' && kind === 'CPU' && precision === 'FP32') return
      const engines = await list()
      if (engines.length === 0) return
      const chosen = engines.filter(({ name }) => choice === 'AUTO' || name === choice.toLowerCase())
      const serving = chosen.filter(({ available, serves }) => available && serves.includes(kind))
      if (serving.length === 0) throw unavailable(chosen, kind)
      if (!serving.some(({ precisions }) => precisions.includes(precision))) throw withoutPrecision(serving, precision)
    },
  }
}

async function probeEngines(probe: URL): Promise<EngineRecord[]> {
  const [command, ...args] = entryCommand(probe)
  const { stdout } = await promisify(execFile)(command, args, { timeout: probeTimeoutMs })
  const lastLine = stdout.trim().split('\n').at(-1) ?? ''
  return enginesSchema.parse(JSON.parse(lastLine))
}

function unavailable(engines: readonly EngineRecord[], kind: DeviceKind): TrainqlError {
  const why = engines.map(({ name, available, detail }) =>
    available ? `${name} does not serve it` : `${name}: ${detail}`,
  )
  return new TrainqlError({
    code: 'ENGINE_UNAVAILABLE',
    field: kind === 'CUDA' ? 'devices' : 'engine',
    message: `The run asks for a ${kind} device, and no installed engine it may use serves one (${why.join('; ')}).`,
    fix:
      kind === 'CUDA'
        ? 'Install @tensorflow/tfjs-node-gpu (Node 20 or 22, CUDA 11), or ask for CPU devices.'
        : 'Run `npm run setup` to build the native engine, or choose the engine AUTO or TFJS.',
  })
}

function withoutPrecision(engines: readonly EngineRecord[], precision: RunSpec['precision']): TrainqlError {
  const what = engines.map(({ name, detail, precisions }) => `${name} (${detail}): ${precisions.join(', ')}`)
  return new TrainqlError({
    code: 'ENGINE_UNAVAILABLE',
    field: 'precision',
    message: `The run asks for precision ${precision}, and no engine it may use computes in it here; ${what.join('; ')}.`,
    fix: 'Use precision FP32, or the native engine on a processor with bfloat16 instructions (avx512_bf16).',
  })
}

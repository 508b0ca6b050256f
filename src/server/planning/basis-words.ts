// What an estimate rests on, in words for a user.
import type { Architecture, DeviceKind } from '../../shared/run-spec.ts'
import type { Likeness, Place } from './measured-run.ts'
import type { Workload } from './workload.ts'

interface Basis {
  /** What is to be run, and where. */
  workload: Workload
  place: Place
  /** How many have been measured that tell of it. */
  runs: number
  /** Of those, on each core or GPU. */
  flopsPerSecond: number
}

export function basisWords(likeness: Likeness, { workload, place, runs, flopsPerSecond }: Basis): string {
  const latest = runs === 1 ? 'the latest run' : `the latest ${runs} runs`
  const unit = unitWords[place.kind]
  switch (likeness) {
    case 'SAME': {
      const batch = `batch ${workload.globalBatch} in ${workload.shards} ${workload.shards === 1 ? 'shard' : 'shards'}`
      return `${latest} of ${modelWords(workload)}, ${batch}, on ${deviceWords(place)}`
    }
    case 'SCALED':
      return `${latest} of ${modelWords(workload)}, in other batches or on other devices; taken to be as fast for each ${unit}`
    case 'PROFILE':
      return `${(flopsPerSecond / 1e9).toFixed(1)} GFLOP/s for each ${unit} in ${latest} of other models or sizes of images`
    default:
      return likeness satisfies never
  }
}

export function unknownWords({ precision, engineChoice }: Workload, { kind }: Place): string {
  return `no run has been measured yet in ${precision} on ${kind} devices with the engine ${engineChoice}`
}

const unitWords = { CPU: 'core', CUDA: 'GPU' } as const satisfies Record<DeviceKind, string>

function modelWords({ architecture, image, dataset }: Workload): string {
  const size = image === null ? `the images of ${dataset}` : `${image.height}x${image.width}x${image.channels}`
  return `${architectureWords(architecture)} at ${size}`
}

function architectureWords(architecture: Architecture): string {
  return architecture.replace('RESNET', 'ResNet-')
}

function deviceWords({ kind, devices }: Place): string {
  return `${devices} ${kind} ${devices === 1 ? 'device' : 'devices'}`
}

// Weights and batches out of an integer hash, so that PyTorch can make the very same ones: parity/reference.py
// holds the same functions. Every value is computed in float64 and rounded once to float32.
import type { Batch, HostTensor, StateDict } from '../../src/trainer/engine.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { elementCount, stateEntries, type StateEntry } from '../../src/trainer/models/parameters.ts'

/** Mixes 32 bits (lowbias32 of Chris Wellons' hash prospector). */
export function mix(x: number): number {
  x ^= x >>> 16
  x = Math.imul(x, 0x7feb352d)
  x ^= x >>> 15
  x = Math.imul(x, 0x846ca68b)
  x ^= x >>> 16
  return x >>> 0
}

/** A key for a stream of values: FNV-1a over the name, mixed with the seed. */
export function streamKey(seed: number, name: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return mix((hash + mix(seed)) >>> 0)
}

/** Value `index` of a stream, uniform in [-1, 1), a multiple of 2^-23. */
export function uniform(key: number, index: number): number {
  return (mix((key + index) >>> 0) >>> 8) / 2 ** 23 - 1
}

/** Convolutions and linear layers as torchvision scales them, batch norm near identity but nowhere trivial. */
export function generateState(graph: ModelGraph, seed: number): StateDict {
  return new Map(stateEntries(graph).map((entry) => [entry.name, generateTensor(entry, seed)]))
}

function generateTensor(entry: StateEntry, seed: number): HostTensor {
  const { name, shape } = entry
  const { offset, scale } = distribution(entry)
  const key = streamKey(seed, name)
  // Ten times as fast as `Float32Array.from`, and there are millions.
  const data = new Float32Array(elementCount(shape))
  for (let index = 0; index < data.length; index += 1) data[index] = offset + scale * uniform(key, index)
  return { shape, data }
}

function distribution({ name, shape, role, layer }: StateEntry): { offset: number; scale: number } {
  if (role === 'batchesTracked') return { offset: 0, scale: 0 }
  if (role === 'runningMean') return { offset: 0, scale: 0.1 }
  if (role === 'runningVariance') return { offset: 1, scale: 0.2 }
  // A bottleneck's branch starts small, as where its last scale starts at zero (Goyal et al. 2017, arXiv:1706.02677):
  // else rounding grows through the blocks.
  if (name.endsWith('.bn3.weight')) return { offset: 0.2, scale: 0.04 }
  if (layer === 'batchNorm') return { offset: role === 'weight' ? 1 : 0, scale: 0.2 }
  const [out = 1, , kernelHeight = 1, kernelWidth = 1] = shape
  if (layer === 'conv') return { offset: 0, scale: Math.sqrt(6 / (out * kernelHeight * kernelWidth)) }
  return { offset: 0, scale: role === 'weight' ? Math.sqrt(1 / (shape[1] ?? 1)) : 0.05 }
}

/** Images of unit variance, (count, C, H, W), and labels; another batch for every step. */
export function generateBatch(graph: ModelGraph, count: number, { seed, step }: { seed: number; step: number }): Batch {
  const { channels, height, width } = graph.input
  const pixels = streamKey(seed, `images.${step}`)
  const classes = streamKey(seed, `labels.${step}`)
  const deviation = Math.sqrt(3)
  return {
    images: Float32Array.from({ length: count * channels * height * width }, (_, i) => deviation * uniform(pixels, i)),
    labels: Int32Array.from({ length: count }, (_, i) => mix((classes + i) >>> 0) % graph.classes),
  }
}

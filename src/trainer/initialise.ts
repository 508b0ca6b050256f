// Initial weights of a model: torchvision's ResNet initialisation, drawn from our own generator.
import { drawNormals } from './normals.ts'
import { createRandom } from './random.ts'
import type { HostTensor, StateDict } from './engine.ts'
import type { ModelGraph } from './models/graph.ts'
import { elementCount, stateEntries, type StateEntry } from './models/parameters.ts'

/**
 * The whole state dict before the first step, a pure function of (graph, seed).
 * Convolutions: normal with variance 2 / fan_out (He et al. 2015, arXiv:1502.01852, as torchvision's
 * `kaiming_normal_(mode='fan_out', nonlinearity='relu')`). Batch norm: scale 1, shift 0, running mean 0, variance 1.
 * Linear: uniform in ±1/sqrt(fan_in), weight and bias (torch.nn.Linear's default).
 * @param isWanted of a part: a tensor is the same whether others are drawn or not.
 */
export function initialState(
  graph: ModelGraph,
  seed: number,
  isWanted: (name: string) => boolean = () => true,
): StateDict {
  const entries = stateEntries(graph)
  const fanIn = new Map(entries.map(({ name, shape }) => [name, elementCount(shape.slice(1))]))
  const state: StateDict = new Map()
  for (const [index, entry] of entries.entries())
    if (isWanted(entry.name)) state.set(entry.name, initialTensor(entry, { seed, index, fanIn }))
  return state
}

interface Draw {
  seed: number
  /** Position of the tensor in the state dict: its substream. */
  index: number
  fanIn: ReadonlyMap<string, number>
}

function initialTensor(entry: StateEntry, { seed, index, fanIn }: Draw): HostTensor {
  const data = new Float32Array(elementCount(entry.shape))
  const key = { seed, stream: 'init' as const, substream: index }
  switch (entry.role) {
    case 'runningMean':
    case 'batchesTracked':
      break
    case 'runningVariance':
      data.fill(1)
      break
    case 'weight':
    case 'bias':
      if (entry.layer === 'batchNorm') {
        if (entry.role === 'weight') data.fill(1)
      } else if (entry.layer === 'conv') {
        // (O, I, kH, kW): fan_out = O x kH x kW.
        const [outChannels = 1, , kernelHeight = 1, kernelWidth = 1] = entry.shape
        const deviation = Math.sqrt(2 / (outChannels * kernelHeight * kernelWidth))
        drawNormals(key, deviation, data)
      } else {
        // The bias takes the fan_in of the weight beside it.
        const bound = 1 / Math.sqrt(fanIn.get(entry.name.replace(/\.bias$/, '.weight')) ?? 1)
        const random = createRandom(key)
        for (let i = 0; i < data.length; i += 1) data[i] = bound * (2 * random.uniform() - 1)
      }
      break
    default:
      entry.role satisfies never
  }
  return { shape: entry.shape, data }
}

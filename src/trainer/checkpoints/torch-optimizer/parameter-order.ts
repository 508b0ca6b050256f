// Which parameter a number in torch.optim's state stands for: the order in which the training script gave its groups of
// parameters is not in the file, but shapes and the model's own order tell it.
import type { StateEntry } from '../../models/parameters.ts'

/** How scripts sort parameters into groups; within one they follow the model's order. */
const groupings: readonly ((entry: StateEntry) => boolean)[] = [
  // All alike, in one group or in groups cut anywhere.
  () => true,
  // Weight decay for weights and none for scales, shifts and biases.
  ({ shape }) => shape.length > 1,
  ({ name }) => !name.endsWith('.bias'),
  ({ layer }) => layer !== 'batchNorm',
  // A learning rate of its own for the last layer.
  ({ name }) => !name.startsWith('fc.'),
]

/**
 * The parameters in the order of their numbers; null where no order that scripts use has these shapes.
 * @param parameters in the model's order.
 * @param shapes of a state's tensors by number; undefined where the state has none for it.
 */
export function parameterOrder(
  parameters: readonly StateEntry[],
  shapes: readonly (readonly number[] | undefined)[],
): StateEntry[] | null {
  if (parameters.length !== shapes.length) return null
  for (const isFirst of groupings) {
    const first = parameters.filter(isFirst)
    const second = parameters.filter((entry) => !isFirst(entry))
    for (const order of [
      [...first, ...second],
      [...second, ...first],
    ])
      if (order.every(({ shape }, number) => agree(shape, shapes[number]))) return order
  }
  return null
}

function agree(expected: readonly number[], found: readonly number[] | undefined): boolean {
  if (found === undefined) return true
  return expected.length === found.length && expected.every((size, dimension) => size === found[dimension])
}

// Names and shapes of ResNets for tests of loading, where no values are needed.
import type { Architecture } from '../../../src/shared/run-spec.ts'
import { stateEntries } from '../../../src/trainer/models/parameters.ts'
import { resnet } from '../../../src/trainer/models/resnet.ts'

export interface ShapeOptions {
  classes?: number
  channels?: number
}

export function shapesOf(
  architecture: Architecture,
  { classes = 10, channels = 1 }: ShapeOptions = {},
): Map<string, readonly number[]> {
  const graph = resnet({ architecture, classes, input: { channels, height: 32, width: 32 } })
  return new Map(stateEntries(graph).map(({ name, shape }) => [name, shape]))
}

export function namesOf(architecture: Architecture): string[] {
  return [...shapesOf(architecture).keys()]
}

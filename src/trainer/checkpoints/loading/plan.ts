// Which tensor of a file goes where in a model, decided on names and shapes before any value is read. The load report
// is this plan in words.
import type { TargetModel } from '../../../shared/checkpoint-tool.ts'
import type { CheckpointFormat, CheckpointLayout, LoadReport, RecognisedModel } from '../../../shared/load-report.ts'
import { isOf } from '../../../shared/layer-name.ts'
import type { StemAdaptation } from '../../../shared/run-spec.ts'
import type { ModelGraph } from '../../models/graph.ts'
import { elementCount, stateEntries, type StateEntry } from '../../models/parameters.ts'
import { resnet } from '../../models/resnet.ts'
import { stripPrefix, type StrippedNames } from './prefix.ts'
import { recognise, resnetNames, type Recognition, type Shapes } from './recognise.ts'

/** What is known of a file before its values are read. */
export interface LoadSource {
  format: CheckpointFormat
  layout: CheckpointLayout
  foundAt: string
  deviceTags: readonly string[]
  /** Of the weights, by their names in the file. */
  shapes: Shapes
}

export interface Adaptation {
  /** Layers, or prefixes of layers, that the file is not asked for. */
  reinitialise: readonly string[]
  stem: StemAdaptation
}

export interface LoadPlan {
  report: LoadReport
  recognition: Recognition
  /** What the file is put into: what it is meant for, and for the rest what the file is. Null where nobody can tell. */
  graph: ModelGraph | null
  /** Name in the model to name in the file, in the model's order; of `matched` without `assumedZero`. */
  sources: ReadonlyMap<string, string>
}

export const asIs: Adaptation = { reinitialise: [], stem: 'AS_IS' }

/** @param target what the file is meant for; what is null there the file tells. */
export function planLoad(source: LoadSource, target: TargetModel, adaptation: Adaptation = asIs): LoadPlan {
  const recognition = recognise(strippedShapes(source.shapes, resnetNames).shapes)
  const graph = graphOf(target, recognition)
  const entries = graph === null ? [] : stateEntries(graph)
  const known = graph === null ? resnetNames : new Set(entries.map(({ name }) => name))
  const { prefix, stripped, without, shapes } = strippedShapes(source.shapes, known)

  const sources = new Map<string, string>()
  const report: LoadReport = {
    sourceFormat: source.format,
    layout: source.layout,
    foundAt: source.foundAt,
    recognised: recognisedModel(recognition),
    description: recognition.description,
    matched: [],
    missing: [],
    unexpected: [
      ...[...stripped].flatMap(([name, inFile]) => (graph === null || !known.has(name) ? [inFile] : [])),
      ...without,
    ],
    shapeMismatch: [],
    reinitialised: [],
    adapted: [],
    assumedZero: [],
    strippedPrefix: prefix,
    deviceTags: [...source.deviceTags],
  }
  for (const entry of entries) {
    const { name, shape } = entry
    const found = shapes.get(name)
    if (adaptation.reinitialise.some((layer) => isOf(name, layer))) report.reinitialised.push(name)
    else if (found === undefined) {
      // Files from before PyTorch 0.4.1 have no counters, and nothing is computed from them.
      const isCounter = entry.role === 'batchesTracked' && shapes.has(name.replace(/[^.]+$/, 'running_mean'))
      if (isCounter) report.assumedZero.push(name)
      report[isCounter ? 'matched' : 'missing'].push(name)
    } else if (fits(entry, found) || isSummed(name, { shape, found, stem: adaptation.stem })) {
      if (!fits(entry, found)) report.adapted.push(name)
      report.matched.push(name)
      sources.set(name, stripped.get(name) ?? name)
    } else report.shapeMismatch.push({ name, expected: [...shape], found: [...found] })
  }
  return { report, recognition, graph, sources }
}

function strippedShapes(shapes: Shapes, known: ReadonlySet<string>): StrippedNames & { shapes: Shapes } {
  const names = stripPrefix(shapes.keys(), known)
  return { ...names, shapes: new Map([...names.stripped].map(([name, inFile]) => [name, shapes.get(inFile) ?? []])) }
}

/** Names and shapes do not depend on the size of the images; nor do those of a layer's neighbours on what it lacks. */
function graphOf(target: TargetModel, { body, classes, inputChannels }: Recognition): ModelGraph | null {
  const architecture = target.architecture ?? body
  if (architecture === null) return null
  const channels = target.inputChannels ?? inputChannels ?? 3
  return resnet({
    architecture,
    classes: target.classes ?? classes ?? 1000,
    input: { channels, height: 224, width: 224 },
  })
}

function recognisedModel({ kind, body, classes, inputChannels }: Recognition): RecognisedModel | null {
  return kind === 'MODEL' ? { architecture: body, classes, inputChannels } : null
}

/** A counter may be a scalar or one value in a list. */
function fits({ shape, role }: StateEntry, found: readonly number[]): boolean {
  if (role === 'batchesTracked') return elementCount(found) === 1
  return shape.length === found.length && shape.every((size, dimension) => size === found[dimension])
}

interface StemShapes {
  shape: readonly number[]
  found: readonly number[]
  stem: StemAdaptation
}

/** (O, C, kH, kW) to (O, 1, kH, kW). */
function isSummed(name: string, { shape, found, stem }: StemShapes): boolean {
  return (
    stem === 'SUM_CHANNELS' &&
    name === 'conv1.weight' &&
    shape[1] === 1 &&
    (found[1] ?? 0) > 1 &&
    found.length === shape.length &&
    found.every((size, dimension) => dimension === 1 || size === shape[dimension])
  )
}

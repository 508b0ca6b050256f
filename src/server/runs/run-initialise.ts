// Whether a checkpoint can be what a run begins with, told from the index alone: what would fail in the trainer minutes
// later is refused before the run is queued.
import type { DatasetInfo } from '../../shared/datasets.ts'
import { invalidInput } from '../../shared/errors.ts'
import { isOf } from '../../shared/layer-name.ts'
import { type PretrainedName, pretrainedWeights } from '../../shared/pretrained.ts'
import type { Architecture, InitialiseSpec, RunSpec, StemAdaptation } from '../../shared/run-spec.ts'
import { stateEntries } from '../../trainer/models/parameters.ts'
import { resnet } from '../../trainer/models/resnet.ts'
import type { CheckpointRecord } from '../checkpoints/checkpoint.record.ts'
import type { Optional } from './recipe-request.ts'

export type InitialFacts = Pick<
  CheckpointRecord,
  'key' | 'sha256' | 'architecture' | 'classes' | 'inputChannels' | 'hasOptimizer'
>

/** Of published weights that may not be here yet: key and hash stand for none. */
export function publishedFacts(name: PretrainedName): InitialFacts {
  const { architecture, classes } = pretrainedWeights(name)
  const nothing = { key: `pretrained/${name}`, sha256: '0'.repeat(64) }
  return { ...nothing, architecture, classes, inputChannels: 3, hasOptimizer: false }
}

export interface InitialiseRequest {
  /** This or published weights. */
  checkpoint?: Optional<string>
  pretrained?: Optional<PretrainedName>
  optimizer?: Optional<boolean>
  reinitialise?: Optional<string[]>
  stem?: Optional<StemAdaptation>
}

/** @throws TrainqlError `INVALID_INPUT` unless it names exactly one. */
export function checkInitialiseRequest({ checkpoint, pretrained }: InitialiseRequest): void {
  const given = [checkpoint, pretrained].filter((value) => value !== null && value !== undefined)
  if (given.length === 1) return
  throw invalidInput({
    field: 'initialise',
    message: `Expected a checkpoint or the name of published weights; got ${given.length === 0 ? 'neither' : 'both'}.`,
    fix: 'Give `checkpoint` or `pretrained`.',
  })
}

/** The part of the spec, unparsed. */
export function initialiseOf(request: InitialiseRequest, { key, sha256 }: InitialFacts): unknown {
  const { optimizer, reinitialise, stem } = request
  return { kind: 'CHECKPOINT', checkpoint: key, sha256, optimizer, reinitialise, stem }
}

type FromCheckpoint = Extract<InitialiseSpec, { kind: 'CHECKPOINT' }>

/** @throws TrainqlError `INVALID_INPUT` */
export function checkInitialise(spec: RunSpec, checkpoint: InitialFacts, dataset: DatasetInfo): void {
  const { initialise } = spec
  if (initialise.kind === 'RANDOM') return
  checkArchitecture(spec.model.architecture, checkpoint.architecture)
  checkLayers(spec.model.architecture, initialise)
  checkClasses(initialise, checkpoint, dataset)
  checkChannels(initialise, checkpoint, dataset)
  if (!initialise.optimizer || checkpoint.hasOptimizer) return
  throw invalidInput({
    field: 'initialise.optimizer',
    message: 'This checkpoint holds no state of an optimiser.',
    fix: 'Leave out optimizer, or name a checkpoint that has one.',
  })
}

function checkArchitecture(wanted: Architecture, found: Architecture): void {
  if (wanted === found) return
  throw invalidInput({
    field: 'initialise.checkpoint',
    message: `This checkpoint is a ${nameOf(found)}; the run's model is a ${nameOf(wanted)}.`,
    fix: `Create the run with architecture ${found}, or name a checkpoint of a ${nameOf(wanted)}.`,
  })
}

/** A name that stands for nothing would leave a layer as the checkpoint has it, without a word. */
function checkLayers(architecture: Architecture, { reinitialise }: FromCheckpoint): void {
  const graph = resnet({ architecture, classes: 1000, input: { channels: 3, height: 224, width: 224 } })
  const names = stateEntries(graph).map(({ name }) => name)
  const unknown = reinitialise.find((layer) => !names.some((name) => isOf(name, layer)))
  if (unknown === undefined) return
  throw invalidInput({
    field: 'initialise.reinitialise',
    message: `Expected layers of a ${nameOf(architecture)}, such as conv1, layer4 or fc; got ${JSON.stringify(unknown)}.`,
    fix: 'Correct the name; modelSummary lists the layers.',
  })
}

function checkClasses({ reinitialise }: FromCheckpoint, { classes }: InitialFacts, dataset: DatasetInfo): void {
  const wanted = dataset.classes.length
  if (classes === null || classes === wanted || reinitialise.some((layer) => isOf('fc.weight', layer))) return
  throw invalidInput({
    field: 'initialise.reinitialise',
    message: `This checkpoint tells ${classes} classes apart; ${dataset.name} has ${wanted}.`,
    fix: 'Add "fc" to reinitialise, so that the last layer gets fresh weights.',
  })
}

function checkChannels(
  { reinitialise, stem }: FromCheckpoint,
  { inputChannels }: InitialFacts,
  { name, channels }: DatasetInfo,
): void {
  if (inputChannels === null || inputChannels === channels) return
  if (reinitialise.some((layer) => isOf('conv1.weight', layer))) return
  if (stem === 'SUM_CHANNELS' && channels === 1) return
  const sum = channels === 1 ? ', or use stem SUM_CHANNELS, which keeps its weights' : ''
  throw invalidInput({
    field: 'initialise.reinitialise',
    message: `This checkpoint takes images of ${inputChannels} channels; those of ${name} have ${channels}.`,
    fix: `Add "conv1" to reinitialise${sum}.`,
  })
}

function nameOf(architecture: Architecture): string {
  return `ResNet-${architecture.slice('RESNET'.length)}`
}

// The spec of a run that is made from another one: that one's, with changes. Pure.
import { invalidInput, isTrainqlError, TrainqlError } from '../../shared/errors.ts'
import type { OptimizerKind } from '../../shared/recipe.ts'
import type { InitialiseSpec, RunSpec, StemAdaptation } from '../../shared/run-spec.ts'
import type { InitialFacts } from './run-initialise.ts'
import { isAbsent, type Optional } from './recipe-request.ts'
import { type RunRequest, specOf } from './run-request.ts'

/** Left out: as in the origin. Null: the default of a run that is created. */
export type RunChanges = Partial<Omit<RunRequest, 'name' | 'initialise'>>

export interface ForkWish {
  /** Key of a checkpoint of the origin; null: its latest, or its initial weights where it has none. */
  checkpoint: string | null
  /** Begin where the origin began. */
  initialWeights: boolean
  name: string | null
  changes: RunChanges
  /** Layers that get fresh weights. */
  reinitialise: readonly string[]
  stem: Optional<StemAdaptation>
}

type ForkCheckpoint = InitialFacts & { name: string }

export interface Fork {
  runId: string
  wish: ForkWish
  /** Null: it begins where the origin began. */
  checkpoint: ForkCheckpoint | null
}

/**
 * The unparsed spec of a fork.
 * @throws TrainqlError `INVALID_INPUT` where a change does not fit the weights that it begins with.
 */
export function forkedSpec(origin: RunSpec, { runId, wish, checkpoint }: Fork): Record<string, unknown> {
  const request = forkedRequest(origin, wish)
  const spec = { ...specOf(request, runId, null), forkedFrom: originOf(origin, checkpoint) }
  if (checkpoint === null) {
    checkAdaptations(wish)
    if (origin.initialise.kind === 'CHECKPOINT') checkArchitecture(origin, request)
    return { ...spec, initialise: origin.initialise }
  }
  checkArchitecture(origin, request)
  return { ...spec, initialise: beginningOf(origin, { wish, checkpoint, request }) }
}

/** As an error about the fork's own input: the fields of a run are `changes` there. */
export function asForkError(error: unknown): unknown {
  if (!isTrainqlError(error) || error.field === undefined) return error
  const { code, message, fix, field } = error
  return new TrainqlError({ code, message, fix, field: forkField(field) }, { cause: error })
}

const ownFields: ReadonlySet<string> = new Set(['checkpoint', 'initialWeights', 'reinitialise', 'stem', 'name'])

function forkField(field: string): string {
  const own = field.replace(/^initialise\./, '')
  return ownFields.has(own) || own.startsWith('changes.') ? own : `changes.${own}`
}

/** What a client would have asked for to get the fork. */
export function forkedRequest(origin: RunSpec, { name, changes }: ForkWish): RunRequest {
  const given = Object.fromEntries(
    Object.entries(changes).filter(([, value]: [string, unknown]) => value !== undefined),
  )
  const request = { ...requestOf(origin), ...(given as RunChanges), name }
  // A learning rate belongs to the optimiser that it was chosen for.
  const another = kindOf(request) !== origin.optimizer.kind
  return another && changes.learningRate === undefined ? { ...request, learningRate: null } : request
}

const kindOf = ({ optimizer }: RunRequest): OptimizerKind => optimizer?.kind ?? 'SGD'

/** What a client would have asked for to get this spec. */
function requestOf(spec: RunSpec): RunRequest {
  const { model, devices, seed } = spec
  return {
    ...spec,
    initialise: null,
    architecture: model.architecture,
    devices:
      devices.kind === 'NAMED'
        ? { names: devices.names }
        : { min: devices.count, max: devices.max, kind: devices.deviceKind },
    seed: BigInt(seed),
  }
}

function originOf({ runId }: RunSpec, checkpoint: ForkCheckpoint | null): RunSpec['forkedFrom'] {
  return { runId, checkpoint: checkpoint?.name ?? null }
}

interface Beginning {
  wish: ForkWish
  checkpoint: ForkCheckpoint
  request: RunRequest
}

function beginningOf(origin: RunSpec, { wish, checkpoint, request }: Beginning): unknown {
  const { reinitialise, stem } = wish
  return {
    kind: 'CHECKPOINT',
    checkpoint: checkpoint.key,
    sha256: checkpoint.sha256,
    optimizer: keepsOptimizer(origin, { wish, checkpoint, request }),
    reinitialise,
    stem: stem ?? 'AS_IS',
  } satisfies Record<keyof Extract<InitialiseSpec, { kind: 'CHECKPOINT' }>, unknown>
}

/** The optimiser's state belongs to every weight, to the optimiser's kind and to the data that its averages are of. */
function keepsOptimizer(origin: RunSpec, { wish, checkpoint, request }: Beginning): boolean {
  return (
    checkpoint.hasOptimizer &&
    wish.reinitialise.length === 0 &&
    (wish.stem ?? 'AS_IS') === 'AS_IS' &&
    kindOf(request) === origin.optimizer.kind &&
    request.dataset === origin.dataset
  )
}

/** @throws TrainqlError `INVALID_INPUT` where it names two beginnings. */
export function checkForkWish({ initialWeights, checkpoint }: ForkWish): void {
  if (!initialWeights || checkpoint === null) return
  throw invalidInput({
    field: 'initialWeights',
    message: 'Expected a checkpoint or initialWeights; got both.',
    fix: 'Leave one of them out.',
  })
}

/** What is to be done to the weights of a checkpoint, where there is none. */
function checkAdaptations({ reinitialise, stem }: ForkWish): void {
  if (reinitialise.length === 0 && isAbsent(stem)) return
  throw invalidInput({
    field: reinitialise.length > 0 ? 'reinitialise' : 'stem',
    message:
      'Expected reinitialise and stem only with a checkpoint to take weights from; this fork begins without one.',
    fix: 'Name a checkpoint of the run, or leave them out.',
  })
}

function checkArchitecture({ model }: RunSpec, { architecture }: RunRequest): void {
  const wanted = architecture ?? 'RESNET18'
  if (wanted === model.architecture) return
  throw invalidInput({
    field: 'changes.architecture',
    message: `Expected ${model.architecture}, whose weights the fork begins with; got ${wanted}.`,
    fix: 'Leave architecture out, or create a run of that architecture.',
  })
}

// The training loop on a small deterministic engine: order of events, going on from any position, refusals.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { parseTrainerEvent, type TrainerEvent } from '../../src/shared/events.ts'
import { parseAttempt, parseRunSpec } from '../../src/shared/run-spec.ts'
import { loadResumable } from '../../src/trainer/checkpoints/load.ts'
import type { Manifest } from '../../src/trainer/checkpoints/manifest.ts'
import type { Dataset } from '../../src/trainer/datasets/dataset.ts'
import { drawShapes } from '../../src/trainer/datasets/shapes.ts'
import type { SessionSpec } from '../../src/trainer/engine.ts'
import { noReserve } from '../../src/trainer/disk.ts'
import { openEventLog } from '../../src/trainer/event-log.ts'
import { train, type Outcome } from '../../src/trainer/loop.ts'
import { createProgress, type Progress } from '../../src/trainer/progress.ts'
import { linearEngine, type LinearEngineOptions } from './fixtures/linear-engine.ts'
import { suiteFolder, temporaryFolder } from './fixtures/temporary-folder.ts'

const stepsPerEpoch = 3
let dataset: Dataset
beforeAll(() => {
  dataset = drawShapes({ trainImages: 26, validationImages: 11 })
})

interface Trial {
  outcome: Outcome | Error
  events: TrainerEvent[]
  checkpoints: string[]
  progress: Progress
}

interface TrialOptions extends LinearEngineOptions {
  folder: string
  attempt?: number
  spec?: Record<string, unknown>
  resumeFrom?: string
  dataset?: Dataset
  stop?: AbortController
  /** Looked at as `control.takeCheckpointRequest`. */
  takeCheckpointRequest?: () => boolean
}

/** Two epochs of three steps with 8 images, and two evaluation batches of 8 and 3. */
async function trial(options: TrialOptions): Promise<Trial> {
  const { folder, attempt = 1, resumeFrom } = options
  const checkpoints = join(folder, 'checkpoints')
  mkdirSync(checkpoints, { recursive: true })
  const file = join(folder, `events.${attempt}.jsonl`)
  const events = openEventLog({ file, run: 'r', attempt, reserve: noReserve })
  const progress = createProgress()
  progress.lastCheckpoint = resumeFrom ?? null
  const outcome = await train({
    spec: parseRunSpec({
      runId: 'r',
      model: { architecture: 'RESNET18' },
      dataset: 'shapes',
      epochs: 2,
      globalBatch: 8,
      devices: { kind: 'COUNT', count: 1, deviceKind: 'CPU' },
      optimizer: { kind: 'SGD' },
      learningRate: 0.01,
      ...options.spec,
    }),
    attempt: parseAttempt({
      runId: 'r',
      attempt,
      devices: [{ kind: 'CPU', name: 'cpu:0', cores: [0] }],
      datasetRoots: [],
    }),
    dataset: options.dataset ?? dataset,
    engine: linearEngine(options),
    resume: resumeFrom === undefined ? null : await loadResumable(join(checkpoints, resumeFrom)),
    checkpoints,
    events,
    progress,
    control: {
      stop: (options.stop ?? new AbortController()).signal,
      takeCheckpointRequest: options.takeCheckpointRequest ?? (() => false),
    },
    say: () => undefined,
  }).catch((error: unknown) => error as Error)
  events.close()
  return {
    outcome,
    events: readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => parseTrainerEvent(JSON.parse(line))),
    checkpoints: readdirSync(checkpoints).sort(),
    progress,
  }
}

function manifest(folder: string, name: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'checkpoints', name, 'manifest.json'), 'utf8')) as Manifest
}

/** What must be equal between runs: every value that is no time. */
function facts(events: readonly TrainerEvent[]): unknown[] {
  return events.flatMap((event): unknown[][] => {
    if (event.type === 'step') return [[event.type, event.epoch, event.step, event.loss]]
    if (event.type !== 'epoch') return []
    const { type, epoch, step, trainLoss, validationLoss, accuracy, top5Accuracy, confusion } = event
    return [[type, epoch, step, trainLoss, validationLoss, accuracy, top5Accuracy, ...confusion]]
  })
}

function types(events: readonly TrainerEvent[]): string {
  return events.map(({ type }) => type).join(' ')
}

describe('a whole run', () => {
  let straight: Trial
  let straightFiles: Manifest['files']
  const straightFolder = suiteFolder()
  beforeAll(async () => {
    straight = await trial({ folder: straightFolder })
    straightFiles = manifest(straightFolder, '1-00000006').files
  })

  test('writes its events in order, with their values', () => {
    const { events } = straight
    expect(straight.outcome).toBe('finished')
    expect(types(events)).toBe('started step step step epoch checkpoint step step step epoch checkpoint finished')
    expect(events[0]).toMatchObject({
      engine: 'linear',
      engineDetail: 'test',
      devices: ['cpu:0'],
      shards: 4,
      globalBatch: 8,
      epochs: 2,
      stepsPerEpoch,
      parameters: 11_175_370,
      trainImages: 26,
      validationImages: 11,
      classNames: dataset.classes,
      pid: process.pid,
    })
    const losses = events.flatMap((event) => (event.type === 'step' && event.epoch === 1 ? [event.loss ?? NaN] : []))
    expect(losses).toHaveLength(stepsPerEpoch)
    const epoch = events[4]
    expect(epoch).toMatchObject({ epoch: 1, step: 3, nonFinite: false, learningRate: 0.01 })
    if (epoch?.type !== 'epoch') throw new Error('not an epoch')
    expect(epoch.trainLoss).toBe(losses.reduce((sum, loss) => sum + loss, 0) / stepsPerEpoch)
    const labels = Array.from(dataset.validation.labels)
    expect(epoch.classImages).toEqual(
      dataset.classes.map((_, index) => labels.filter((label) => label === index).length),
    )
    const correct = epoch.classCorrect.reduce((sum, images) => sum + images, 0)
    expect(epoch.accuracy).toBe(correct / 11)
    expect(epoch.top5Accuracy).toBeGreaterThanOrEqual(epoch.accuracy ?? NaN)
    const wrong = epoch.confusion.filter((_, index) => index % 3 === 2).reduce((sum, images) => sum + images, 0)
    expect(correct + wrong).toBe(11)
    expect(manifest(straightFolder, '1-00000003').metrics).toEqual({
      trainLoss: epoch.trainLoss,
      validationLoss: epoch.validationLoss,
      accuracy: epoch.accuracy,
      top5Accuracy: epoch.top5Accuracy,
    })
    expect(epoch.wallSeconds).toBeGreaterThan(0)
    expect(epoch.userSeconds + epoch.systemSeconds).toBeGreaterThan(0)
    expect(epoch.imagesPerSecond).toBeGreaterThan(0)
    expect(events[5]).toMatchObject({ name: '1-00000003', epoch: 1, step: 3 })
    expect(events.at(-1)).toMatchObject({ type: 'finished', epochs: 2, step: 6 })
    expect(straight.checkpoints).toEqual(['1-00000003', '1-00000006'])
  })

  test('stopped inside an epoch and resumed gives the same losses and the same bytes', async () => {
    const folder = temporaryFolder()
    const stop = new AbortController()
    const first = await trial({
      folder,
      stop,
      onStep: (step) => {
        if (step === 5) stop.abort('SIGTERM')
        return undefined
      },
    })
    expect(first.outcome).toBe('stopped')
    expect(types(first.events)).toBe('started step step step epoch checkpoint step step checkpoint stopped')
    expect(first.events.at(-2)).toMatchObject({ name: '1-00000005', epoch: 1, step: 5 })
    expect(first.events.at(-1)).toMatchObject({ step: 5, lastCheckpoint: '1-00000005' })
    expect(manifest(folder, '1-00000005')).toMatchObject({
      epoch: 1,
      step: 5,
      metrics: null,
      training: { sampler: { seed: 0, epoch: 2, step: 2 } },
      optimizer: { kind: 'SGD', step: 5 },
    })

    const second = await trial({ folder, attempt: 2, resumeFrom: '1-00000005' })
    expect(second.outcome).toBe('finished')
    expect(types(second.events)).toBe('started step epoch checkpoint finished')
    expect([...facts(first.events), ...facts(second.events)]).toEqual(facts(straight.events))
    const end = manifest(folder, '2-00000006')
    expect(end.files).toEqual(straightFiles)
    const { sha256 } = manifest(folder, '1-00000005').files['model.safetensors']
    expect(end.parent).toEqual({ checkpoint: 'r/1-00000005', sha256 })
    expect(manifest(folder, '1-00000005').parent).toBeNull()
  })

  test('stopped inside an evaluation and resumed repeats the evaluation alone', async () => {
    const folder = temporaryFolder()
    const stop = new AbortController()
    const first = await trial({ folder, stop, onEvaluate: () => stop.abort('SIGTERM') })
    expect(types(first.events)).toBe('started step step step checkpoint stopped')
    expect(manifest(folder, '1-00000003').training?.sampler).toMatchObject({ epoch: 1, step: 3 })

    const second = await trial({ folder, attempt: 2, resumeFrom: '1-00000003' })
    expect(types(second.events)).toBe('started epoch checkpoint step step step epoch checkpoint finished')
    expect([...facts(first.events), ...facts(second.events)]).toEqual(facts(straight.events))
    expect(manifest(folder, '2-00000006').files).toEqual(straightFiles)
    expect(second.checkpoints).toEqual(['1-00000003', '2-00000003', '2-00000006'])
  })

  test('resumed from an epoch boundary gives the same bytes', async () => {
    const folder = temporaryFolder()
    await trial({ folder, spec: { epochs: 1 } })
    const second = await trial({ folder, attempt: 2, resumeFrom: '1-00000003' })
    expect(types(second.events)).toBe('started step step step epoch checkpoint finished')
    expect(facts(second.events)).toEqual(facts(straight.events).slice(4))
    expect(manifest(folder, '2-00000006').files).toEqual(straightFiles)
  })

  describe('on an engine that queues calls', () => {
    test('gives the same losses and the same bytes', async () => {
      const folder = temporaryFolder()
      const { outcome, events } = await trial({ folder, queues: true })
      expect(outcome).toBe('finished')
      expect(types(events)).toBe(types(straight.events))
      expect(facts(events)).toEqual(facts(straight.events))
      expect(manifest(folder, '1-00000006').files).toEqual(straightFiles)
    })

    interface LoggedOptions extends Omit<TrialOptions, 'folder' | 'onAsk' | 'onEvaluate'> {
      /** Calls, by number from 1, that are held until the next one is asked for. */
      held: number[]
    }

    /** What the loop asks, and what the engine does. Six steps an epoch; no step takes long. */
    async function logged({ held, ...options }: LoggedOptions): Promise<[Trial, string[]]> {
      vi.spyOn(performance, 'now').mockReturnValue(0)
      const log: string[] = []
      let calls = 0
      let release = (): void => undefined
      const result = await trial({
        folder: temporaryFolder(),
        queues: true,
        ...options,
        spec: { globalBatch: 4, epochs: 1, ...options.spec },
        onAsk(call) {
          log.push(call === 'close' ? call : `ask ${call}`)
          release()
          calls += 1
          return held.includes(calls) ? new Promise((resolve) => (release = resolve)) : Promise.resolve()
        },
        onEvaluate: () => void log.push('evaluate'),
        onStep(step, batch) {
          log.push(`step ${step}`)
          return options.onStep?.(step, batch)
        },
      })
      return [result, log]
    }

    test('has it go on when a step ends, and stand still for checkpoints and an evaluation', async () => {
      const [{ events }, log] = await logged({
        held: [2, 3, 9],
        spec: { checkpoints: { everySteps: 4 } },
      })
      expect(types(events)).toBe('started step step step step checkpoint step step epoch checkpoint finished')
      expect(log).toEqual([
        ...['ask step', 'step 1', 'ask step', 'ask step', 'step 2', 'ask step', 'step 3', 'step 4', 'ask readState'],
        ...['ask step', 'step 5', 'ask step', 'step 6'],
        ...['ask evaluate', 'evaluate', 'ask evaluate', 'ask evaluate', 'evaluate', 'evaluate', 'ask readState'],
        'close',
      ])
    })

    test('a stop takes effect behind the step that was asked for already', async () => {
      const stop = new AbortController()
      const [{ events, outcome }, log] = await logged({
        held: [2],
        stop,
        onStep: (step) => {
          if (step === 2) stop.abort('SIGTERM')
          return undefined
        },
      })
      expect(outcome).toBe('stopped')
      expect(types(events)).toBe('started step step step checkpoint stopped')
      expect(events.at(-1)).toMatchObject({ step: 3, lastCheckpoint: '1-00000003' })
      expect(log.slice(-3)).toEqual(['step 3', 'ask readState', 'close'])
    })

    test('a checkpoint that is asked for meanwhile is taken once, between two steps', async () => {
      let requested = false
      const [{ events, checkpoints }, log] = await logged({
        held: [2],
        onStep: (step) => {
          if (step === 2) requested = true
          return undefined
        },
        takeCheckpointRequest: () => {
          const taken = requested
          requested = false
          return taken
        },
      })
      expect(types(events)).toBe('started step step step checkpoint step step step epoch checkpoint finished')
      expect(checkpoints).toEqual(['1-00000003', '1-00000006'])
      expect(log.slice(4, 8)).toEqual(['step 2', 'step 3', 'ask readState', 'ask step'])
    })

    test.each([NaN, Infinity])('a loss of %d ends it with that step, whatever comes of the next', async (loss) => {
      const [{ events, outcome, checkpoints, progress }, log] = await logged({
        held: [2, 3],
        onStep: (step) => (step === 3 ? loss : undefined),
      })
      expect(outcome).toMatchObject({
        code: 'NON_FINITE_LOSS',
        message: `Training diverged at step 3: the training loss is ${loss}.`,
      })
      expect(types(events)).toBe('started step step step')
      expect(events.at(-1)).toMatchObject({ step: 3, loss: null, nonFinite: true })
      expect(checkpoints).toEqual([])
      expect(progress).toMatchObject({ step: 3, lastCheckpoint: null })
      // It was under way already, and had ended before the session was closed.
      expect(log.slice(-2)).toEqual(['step 4', 'close'])
    })

    test('an engine that fails in a step ends it there, with its error alone', async () => {
      const [{ events, outcome, checkpoints }, log] = await logged({
        held: [2, 3],
        onStep: (step) => {
          if (step >= 3) throw new Error(`step ${step}`)
          return undefined
        },
      })
      expect(outcome).toMatchObject({ message: 'step 3' })
      expect(types(events)).toBe('started step step')
      expect(checkpoints).toEqual([])
      expect(log.slice(-2)).toEqual(['step 4', 'close'])
    })
  })

  test('another seed gives other weights', async () => {
    const folder = temporaryFolder()
    await trial({ folder, spec: { epochs: 1, seed: 1 } })
    const other = manifest(folder, '1-00000003').files['model.safetensors'].sha256
    const first = straight.events.find((event) => event.type === 'checkpoint')
    expect(first?.type === 'checkpoint' && first.sha256).not.toBe(other)
  })
})

describe('a stop before the first step', () => {
  test('leaves no checkpoint and says so', async () => {
    const stop = new AbortController()
    stop.abort('SIGTERM')
    const { outcome, events, checkpoints } = await trial({ folder: temporaryFolder(), stop })
    expect(outcome).toBe('stopped')
    expect(types(events)).toBe('started stopped')
    expect(events.at(-1)).toMatchObject({ step: 0, lastCheckpoint: null })
    expect(checkpoints).toEqual([])
  })
})

describe('a checkpoint asked for', () => {
  test('inside an epoch is written once, and training goes on', async () => {
    const folder = temporaryFolder()
    let requested = false
    const { events } = await trial({
      folder,
      spec: { epochs: 1 },
      onStep: (step) => {
        requested = step === 2
        return undefined
      },
      takeCheckpointRequest: () => {
        const taken = requested
        requested = false
        return taken
      },
    })
    expect(types(events)).toBe('started step step checkpoint step epoch checkpoint finished')
    expect(manifest(folder, '1-00000002')).toMatchObject({
      epoch: 0,
      step: 2,
      training: { sampler: { epoch: 1, step: 2 } },
    })
  })

  test('during an evaluation is the one of the epoch', async () => {
    let requested = false
    const { events, checkpoints } = await trial({
      folder: temporaryFolder(),
      spec: { epochs: 1 },
      onEvaluate: () => {
        requested = true
      },
      takeCheckpointRequest: () => {
        const taken = requested
        requested = false
        return taken
      },
    })
    expect(types(events)).toBe('started step step step epoch checkpoint finished')
    expect(checkpoints).toEqual(['1-00000003'])
  })
})

describe('a policy for checkpoints', () => {
  test('takes them inside epochs too, removes what it does not keep, and tells what a killed attempt did not', async () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'checkpoints', '.trash-1-00000001'), { recursive: true })
    const { events, checkpoints } = await trial({ folder, spec: { checkpoints: { everySteps: 2, keepLast: 1 } } })
    const replaced = 'checkpoint checkpointsRemoved'
    expect(types(events)).toBe(
      `started checkpointsRemoved step step checkpoint step epoch ${replaced} step ${replaced} step step epoch ${replaced} finished`,
    )
    const removed = events.flatMap((event) => (event.type === 'checkpointsRemoved' ? [event.names] : []))
    expect(removed).toEqual([['1-00000001'], ['1-00000002'], ['1-00000003'], ['1-00000004']])
    expect(checkpoints).toEqual(['1-00000006'])
  })

  test('takes none where an attempt begins', async () => {
    const folder = temporaryFolder()
    const spec = { epochs: 1, checkpoints: { everySteps: 2 } }
    await trial({ folder, spec })
    const second = await trial({ folder, attempt: 2, resumeFrom: '1-00000002', spec })
    expect(types(second.events)).toBe('started step epoch checkpoint finished')
    expect(second.checkpoints).toEqual(['1-00000002', '1-00000003', '2-00000003'])
  })
})

describe('values that are not finite', () => {
  test.each([NaN, Infinity])('a loss of %d stops the run at the step', async (loss) => {
    const trialRun = await trial({ folder: temporaryFolder(), onStep: (step) => (step === 5 ? loss : undefined) })
    expect(trialRun.outcome).toMatchObject({
      code: 'NON_FINITE_LOSS',
      message: `Training diverged at step 5: the training loss is ${loss}.`,
    })
    expect(types(trialRun.events)).toBe('started step step step epoch checkpoint step step')
    expect(trialRun.events.at(-1)).toMatchObject({ step: 5, loss: null, nonFinite: true })
    expect(trialRun.checkpoints).toEqual(['1-00000003'])
    expect(trialRun.progress).toMatchObject({ step: 5, lastCheckpoint: '1-00000003' })
  })

  test('weights that left the finite numbers under a finite loss are never written', async () => {
    const stop = new AbortController()
    const { outcome, checkpoints, events } = await trial({
      folder: temporaryFolder(),
      stop,
      spec: { learningRate: 1e300 },
      onStep: () => {
        stop.abort('SIGTERM')
        return 1
      },
    })
    expect(outcome).toMatchObject({
      code: 'NON_FINITE_LOSS',
      message: 'Training diverged at step 1: "fc.weight" holds values that are not finite.',
    })
    expect(checkpoints).toEqual([])
    expect(types(events)).toBe('started step')
  })

  test('a validation loss that is not finite stops the run behind its epoch event', async () => {
    const { outcome, checkpoints, events } = await trial({
      folder: temporaryFolder(),
      spec: { learningRate: 1e300 },
      onStep: () => 1,
    })
    expect(outcome).toMatchObject({ code: 'NON_FINITE_LOSS' })
    expect(checkpoints).toEqual([])
    expect(events.at(-1)).toMatchObject({ type: 'epoch', trainLoss: 1, validationLoss: null, nonFinite: true })
  })

  test('the policy CONTINUE goes on to the end without a checkpoint', async () => {
    const { outcome, checkpoints, events } = await trial({
      folder: temporaryFolder(),
      spec: { learningRate: 1e300, onNonFinite: 'CONTINUE', epochs: 1 },
    })
    expect(outcome).toBe('finished')
    expect(types(events)).toBe('started step step step epoch finished')
    expect(events.at(-2)).toMatchObject({ trainLoss: null, validationLoss: null, nonFinite: true })
    expect(checkpoints).toEqual([])
  })
})

describe('a dataset smaller than the global batch', () => {
  test('is refused before anything is written', async () => {
    const { outcome, events, checkpoints } = await trial({ folder: temporaryFolder(), spec: { globalBatch: 32 } })
    expect(outcome).toMatchObject({ code: 'INVALID_INPUT', field: 'globalBatch' })
    expect(events).toEqual([])
    expect(checkpoints).toEqual([])
  })
})

describe('a recipe', () => {
  test('reaches the engine, and the log says so', async () => {
    let opened: SessionSpec | undefined
    const recipe = { precision: 'BF16', clipNorm: 0.5, labelSmoothing: 0.1 }
    const optimizer = { kind: 'SGD', nesterov: true, decayVectors: false, momentum: 0.9, weightDecay: 0.1 }
    const { outcome, events } = await trial({
      folder: temporaryFolder(),
      spec: { ...recipe, optimizer, shards: 2, accumulationSteps: 4, epochs: 1 },
      onOpen: (spec) => (opened = spec),
    })
    expect(outcome).toBe('finished')
    expect(opened).toMatchObject({ ...recipe, optimizer, shards: 8, globalBatch: 8, syncBatchNorm: false })
    expect(opened?.devices).toHaveLength(1)
    expect(events[0]).toMatchObject({ shards: 2, accumulationSteps: 4, precision: 'BF16', syncBatchNorm: false })
    expect(events[0]).toMatchObject({ memoryBytes: 0 })
  })

  test('has the learning rate of each step, also behind a checkpoint', async () => {
    const schedule = { kind: 'COSINE', warmUpSteps: 2 }
    const folder = temporaryFolder()
    const stop = new AbortController()
    const first = await trial({
      folder,
      stop,
      spec: { schedule },
      onStep: (step) => {
        if (step === 4) stop.abort('SIGTERM')
        return undefined
      },
    })
    const second = await trial({ folder, attempt: 2, resumeFrom: '1-00000004', spec: { schedule } })
    const events = [...first.events, ...second.events]
    const rates = events.flatMap((event) => (event.type === 'step' ? [event.learningRate] : []))
    expect(rates[0]).toBe(0.005)
    const cosine = [0, 1, 2, 3].map((t) => (0.01 * (1 + Math.cos((Math.PI * t) / 4))) / 2)
    rates.slice(2).forEach((rate, index) => expect(rate).toBeCloseTo(cosine[index] ?? NaN, 15))
    expect(rates).toHaveLength(6)
    const epochs = events.flatMap((event) => (event.type === 'epoch' ? [event.learningRate] : []))
    expect(epochs).toEqual([rates[2], rates[5]])
    expect(manifest(folder, '1-00000004')).toMatchObject({
      training: { schedule: { ...schedule, minimum: 0, learningRate: 0.01, totalSteps: 6 } },
      optimizer: { kind: 'SGD', momentum: 0.9, nesterov: false, weightDecay: 0, decayVectors: true, step: 4 },
    })
  })

  test.each([
    [{ schedule: { kind: 'CONSTANT', warmUpSteps: 6 } }, 'schedule.warmUpSteps'],
    [{ augmentation: { cutout: { size: 28 } } }, 'augmentation.cutout.size'],
  ])('%j that the dataset has no room for is refused before anything is written', async (spec, field) => {
    const { outcome, events } = await trial({ folder: temporaryFolder(), spec })
    expect(outcome).toMatchObject({ code: 'INVALID_INPUT', field })
    expect(events).toEqual([])
  })
})

describe('a checkpoint of something else', () => {
  const folder = suiteFolder()
  beforeAll(async () => {
    await trial({ folder, spec: { epochs: 1 } })
  })

  test.each([
    [{ seed: 1 }, 'expected seed 1; found 0'],
    [{ globalBatch: 4 }, 'expected global step 6; found 3'],
    [{ model: { architecture: 'RESNET34' } }, 'expected architecture RESNET34; found RESNET18'],
    [{ optimizer: { kind: 'ADAM' } }, 'expected optimiser ADAM; found SGD'],
    [{ optimizer: { kind: 'SGD', nesterov: true } }, 'expected optimiser nesterov true; found false'],
    [{ optimizer: { kind: 'SGD', decayVectors: false } }, 'expected optimiser decayVectors false; found true'],
    [{ optimizer: { kind: 'SGD', weightDecay: 0.1 } }, 'expected optimiser weightDecay 0.1; found 0'],
    [{ schedule: { kind: 'COSINE' } }, 'expected schedule COSINE; found CONSTANT'],
    [{ schedule: { kind: 'CONSTANT', warmUpSteps: 1 } }, 'expected schedule warmUpSteps 1; found 0'],
    [{ learningRate: 0.02 }, 'expected schedule learningRate 0.02; found 0.01'],
  ])('is not resumed: %j', async (change, message) => {
    const { outcome, events } = await trial({ folder, attempt: 2, resumeFrom: '1-00000003', spec: change })
    expect(outcome).toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: `The checkpoint does not continue this run: ${message}.`,
    })
    expect(events).toEqual([])
  })

  test('is not resumed on other images, however many there are', async () => {
    const others = drawShapes({ trainImages: 25, validationImages: 11 })
    const { outcome, events } = await trial({ folder, attempt: 2, resumeFrom: '1-00000003', dataset: others })
    const [before, now] = [dataset, others].map(({ normalisation }) => normalisation.mean.join(', '))
    expect(outcome).toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: `The checkpoint does not continue this run: expected mean of the images' channels ${now}; found ${before}.`,
    })
    expect(events).toEqual([])
  })

  test('is not resumed into a longer run where the schedule depends on its length', async () => {
    const own = temporaryFolder()
    const schedule = { kind: 'ONE_CYCLE' }
    await trial({ folder: own, spec: { epochs: 1, schedule } })
    const { outcome } = await trial({ folder: own, attempt: 2, resumeFrom: '1-00000003', spec: { schedule } })
    expect(outcome).toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: 'The checkpoint does not continue this run: expected steps of the schedule 6; found 3.',
    })
  })
})

// What the demo trains: chosen from what was asked and from what the server has. Pure.
import { resolve, sep } from 'node:path'
import type { Architecture, CreateRunInput, Dataset, ServerInfo } from '../../sdk/index.ts'
import { CliFailure } from '../failure.ts'
import type { DemoPlan } from '../parse.ts'

export interface Task {
  /** Everything but devices and name. */
  input: Omit<CreateRunInput, 'devices' | 'name'>
  dataset: Dataset
  /** What a person should know about the choice. */
  notes: string[]
}

/** The portable engine does about ten images a second here, so it gets a task of about two minutes. */
const small = { trainImages: 384, validationImages: 128, batch: 32, epochs: 3 }
const full = { batch: 256, epochs: 3 }

/** @throws CliFailure where what was asked for is not there */
export function chooseTask(
  plan: DemoPlan,
  server: ServerInfo,
  datasets: readonly Dataset[],
  dataRoots: readonly string[],
): Task {
  const native = server.engines.find(({ name }) => name === 'native')
  if (plan.engine === 'native' && native?.available !== true) {
    throw new CliFailure(
      `The native engine cannot run here: ${native?.detail ?? 'unknown to this server'}.`,
      'Run `npm run setup` to build it, or leave out --engine.',
    )
  }
  const slow = plan.engine === 'tfjs' || native?.available !== true
  const { dataset, note } = chooseDataset(plan, datasets, dataRoots)
  const notes = note === undefined ? [] : [note]
  const trainImages = Math.min(plan.images ?? (slow ? small.trainImages : Infinity), dataset.trainImages)
  const validationImages = Math.min(
    plan.validationImages ?? (slow ? small.validationImages : Infinity),
    dataset.validationImages,
  )
  if (slow) {
    const why =
      plan.engine === 'tfjs'
        ? 'as asked'
        : `the native engine is not available: ${native?.detail ?? 'unknown to this server'}`
    notes.push(
      `On the TensorFlow.js engine (${why}), two orders slower than native; so this trains on ${trainImages} images only.`,
    )
  }
  return {
    dataset,
    notes,
    input: {
      architecture: plan.model.toUpperCase() as Architecture,
      dataset: dataset.name,
      epochs: plan.epochs ?? (slow ? small.epochs : full.epochs),
      globalBatch: plan.batch ?? (slow ? small.batch : full.batch),
      engine: plan.engine === 'auto' ? 'AUTO' : plan.engine === 'native' ? 'NATIVE' : 'TFJS',
      optimizer: { kind: 'ADAM' },
      learningRate: plan.learningRate,
      seed: plan.seed,
      ...(trainImages < dataset.trainImages ? { trainImages } : {}),
      ...(validationImages < dataset.validationImages ? { validationImages } : {}),
    },
  }
}

function chooseDataset(
  plan: DemoPlan,
  datasets: readonly Dataset[],
  dataRoots: readonly string[],
): { dataset: Dataset; note?: string } {
  const names = datasets.map(({ name }) => name).join(', ')
  if (plan.dataset !== undefined) {
    const dataset = datasets.find(({ name }) => name === plan.dataset)
    if (dataset !== undefined) return { dataset }
    throw new CliFailure(
      `There is no dataset "${plan.dataset}"; there are ${names}.`,
      'Name one of these, or give its folder with --data.',
    )
  }
  if (plan.data !== undefined) {
    const roots = dataRoots.map((root) => resolve(root))
    const given = datasets.filter(
      ({ path }) => path !== null && roots.some((root) => path === root || path.startsWith(root + sep)),
    )
    const dataset = given.find(isFashion) ?? given[0]
    if (dataset !== undefined) return { dataset }
    throw new CliFailure(
      `There is no dataset in ${plan.data}.`,
      'Give the folder of an IDX set (train-images-idx3-ubyte and its three companions, gzip or not), or one that holds such folders.',
    )
  }
  const fashion = datasets.find(isFashion)
  if (fashion !== undefined) return { dataset: fashion }
  const builtIn = datasets.find(({ kind }) => kind === 'BUILT_IN')
  if (builtIn === undefined) throw new CliFailure('The server has no dataset.', 'Give one with --data.')
  return {
    dataset: builtIn,
    note: `Fashion-MNIST was not found, so this trains on the built-in set; --data PATH names a folder that has it.`,
  }
}

function isFashion({ name }: Dataset): boolean {
  return name === 'fashion-mnist'
}

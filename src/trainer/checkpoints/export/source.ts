// What is exported: a model and its weights, wherever they come from, with what is known of them.
import type { Architecture } from '../../../shared/run-spec.ts'
import type { StateDict } from '../../engine.ts'
import { loadWeights } from '../load.ts'
import type { Manifest } from '../manifest.ts'

export interface ExportSource {
  model: { architecture: Architecture; classes: number; channels: number }
  state: StateDict
  /** What it was trained on, where that is known. */
  data: Manifest['data']
  /** Where the training stood. */
  origin: { run: string | null; epoch: number; step: number; accuracy: number | null }
}

/** @throws TrainqlError `CHECKPOINT_INVALID` */
export async function openExportSource(file: string): Promise<ExportSource> {
  const { manifest, state } = await loadWeights(file)
  const { architecture, classes, input } = manifest.model
  return {
    model: { architecture, classes, channels: input.channels },
    state,
    data: manifest.data,
    origin: {
      run: manifest.runId,
      epoch: manifest.epoch,
      step: manifest.step,
      accuracy: manifest.metrics?.accuracy ?? null,
    },
  }
}

/** As text by name, for the places that file formats have for it; lists as JSON. Mean and deviation are of pixel / 255. */
export function factsOf({ model, data, origin }: ExportSource): Record<string, string> {
  const facts: Record<string, string> = { architecture: model.architecture.toLowerCase() }
  if (data !== null) {
    facts['dataset'] = data.dataset
    facts['class_names'] = JSON.stringify(data.classNames)
    facts['mean'] = JSON.stringify(data.normalisation.mean)
    facts['std'] = JSON.stringify(data.normalisation.deviation)
  }
  if (origin.run !== null) facts['run'] = origin.run
  facts['epoch'] = String(origin.epoch)
  facts['step'] = String(origin.step)
  return facts
}

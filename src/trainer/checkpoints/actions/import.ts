// Makes a checkpoint folder of a file, tensor by tensor: canonical names, fp32, no device, no wrapper.
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import type { ImportedCheckpoint, TargetModel } from '../../../shared/checkpoint-tool.ts'
import { TrainqlError } from '../../../shared/errors.ts'
import type { Architecture, ImageSize } from '../../../shared/run-spec.ts'
import type { RunAction, Say } from '../action.ts'
import { LoadRefused } from '../load-refused.ts'
import { acceptedPlan, finiteTensors, openForLoading, type AcceptedPlan } from '../loading/accept.ts'
import { readOptimizer } from '../loading/optimizer.ts'
import { hashSource, type OpenedSource } from '../loading/source.ts'
import { isResumable, parentOf, type Manifest } from '../manifest.ts'
import { saveCheckpoint } from '../save.ts'

export const run: RunAction<'IMPORT'> = async ({ file, folder, target, allowPartial }, say) => ({
  kind: 'IMPORTED',
  imported: await importCheckpoint({ file, folder, target, allowPartial, data: null }, say),
})

export interface ImportRequest {
  file: string
  /** Must not be there; its parent is made where it is not. */
  folder: string
  target: TargetModel
  allowPartial: boolean
  /** What the images were, where the file cannot say it and somebody knows. */
  data: Manifest['data']
  imageSize?: ImageSize
}

/**
 * @throws LoadRefused with the report where the file is not what is wanted; TrainqlError `CHECKPOINT_INVALID` where it
 * cannot be read, `NOT_FOUND`, `CONFLICT` where the folder is there already, `DISK_FULL`.
 */
export async function importCheckpoint(request: ImportRequest, say: Say): Promise<ImportedCheckpoint> {
  const { file, target, allowPartial } = request
  const folder = resolve(request.folder)
  if (existsSync(folder)) {
    throw new TrainqlError({
      code: 'CONFLICT',
      message: `Expected no file or folder at ${folder}; there is one.`,
      fix: 'Import into another folder, or remove that one.',
    })
  }
  const opened = await openForLoading(file)
  try {
    const plan = acceptedPlan(opened, { target, allowPartial })
    const imageSize = opened.manifest?.model.input ?? request.imageSize ?? null
    const model = modelOf(plan, { target, imageSize })
    const sourceSha256 = await hashSource(opened)
    const optimizer = await readOptimizer(opened, { graph: plan.graph, prefix: plan.report.strippedPrefix })
    const taken = optimizer.kind === 'FOUND' && isWhole(plan) ? optimizer : null
    const position = { epoch: opened.facts.epoch ?? 0, step: opened.facts.step ?? taken?.optimizer.step ?? 0 }
    const manifest: Omit<Manifest, 'files'> = {
      formatVersion: 2,
      runId: null,
      attempt: 0,
      ...position,
      model,
      data: opened.manifest?.data ?? request.data,
      metrics: opened.manifest?.metrics ?? null,
      training: null,
      optimizer: taken?.optimizer ?? null,
      parent: parentIn(opened.manifest),
      importedFrom: {
        file: basename(file),
        sha256: sourceSha256,
        format: plan.report.sourceFormat,
        layout: plan.report.layout,
        strippedPrefix: plan.report.strippedPrefix,
      },
    }
    await mkdir(dirname(folder), { recursive: true })
    const saved = await saveCheckpoint(dirname(folder), basename(folder), {
      manifest,
      state: finiteTensors(plan, opened, progress(opened, say)),
      optimizerState: taken === null ? null : { step: taken.optimizer.step, tensors: taken.source },
    })
    const { bytes, sha256 } = saved
    return { folder, bytes, sha256, sourceSha256, ...position, hasOptimizer: taken !== null, report: plan.report }
  } finally {
    await opened.close()
  }
}

/** Of a checkpoint of ours: a run's is the parent itself. */
function parentIn(manifest: Manifest | null): Manifest['parent'] {
  if (manifest === null) return null
  return isResumable(manifest) ? parentOf(manifest) : manifest.parent
}

/** A part of the weights has no whole optimiser's state: layers to come begin anew. */
function isWhole({ report }: AcceptedPlan): boolean {
  return report.missing.length === 0 && report.shapeMismatch.length === 0
}

interface Asked {
  target: TargetModel
  /** Null where nobody knows. */
  imageSize: { height: number | null; width: number | null } | null
}

/**
 * The model that the folder says it is: with what the file tells, or, of a part that lacks it, what was asked for.
 * @throws LoadRefused where neither says how many classes or channels there are.
 */
function modelOf(plan: AcceptedPlan, { target, imageSize }: Asked): Manifest['model'] {
  const classes = plan.recognition.classes ?? target.classes
  const channels = plan.recognition.inputChannels ?? target.inputChannels
  if (classes === null || channels === null) {
    const what = classes === null ? 'classes' : 'input channels'
    throw new LoadRefused(
      {
        message: `Expected a file that tells its number of ${what}; the layer that would is not in it.`,
        fix: `Say how many ${what} the model has.`,
      },
      plan.report,
    )
  }
  return {
    architecture: plan.graph.architecture.toUpperCase() as Architecture,
    classes: plan.report.shapeMismatch.some(({ name }) => name.startsWith('fc.')) ? plan.graph.classes : classes,
    input: {
      channels: plan.report.shapeMismatch.some(({ name }) => name === 'conv1.weight')
        ? plan.graph.input.channels
        : channels,
      height: imageSize?.height ?? null,
      width: imageSize?.width ?? null,
    },
  }
}

const progressBytes = 4 * 1024 * 1024

function progress({ bytes: ofBytes }: OpenedSource, say: Say): (bytes: number) => void {
  let done = 0
  let said = 0
  return (bytes) => {
    done += bytes
    if (done - said < progressBytes) return
    said = done
    say({ kind: 'PROGRESS', doneBytes: Math.min(done, ofBytes), ofBytes })
  }
}

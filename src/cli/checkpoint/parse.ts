// What each line of `trainql checkpoint` plans.
import { extname } from 'node:path'
import type { ImageSize } from '../../shared/augmentation.ts'
import type { ExportFormat, TargetModel } from '../../shared/checkpoint-tool.ts'
import { optional, readResNet, UsageError, type Values } from '../values.ts'

export interface InspectPlan {
  action: 'inspect'
  file: string
  target: Partial<TargetModel>
  tensors: boolean
}

export type RepairFormat = Exclude<ExportFormat, 'ONNX'> | 'FOLDER'

export interface DoctorPlan {
  action: 'doctor'
  file: string
  target: Partial<TargetModel>
  /** What to write; its name tells the form, and no known name means a checkpoint folder. */
  repair?: { out: string; format: RepairFormat }
}

export interface ImportPlan {
  action: 'import'
  file: string
  /** Absent: among the data directory's checkpoints. */
  to?: string
  home?: string
  target: Partial<TargetModel>
  allowPartial: boolean
}

export interface ExportPlan {
  action: 'export'
  file: string
  out: string
  format: ExportFormat
  modulePrefix: boolean
  trainingFile: boolean
  foldBatchNorm: boolean
  replace: boolean
}

export interface VerifyPlan {
  action: 'verify'
  folder: string
}

export interface PredictPlan {
  action: 'predict'
  checkpoint: string
  images: readonly string[]
  top?: number
  imageSize?: ImageSize
}

export interface ProvePlan {
  action: 'prove'
  runDirectory: string
  checkpoint?: string
  steps?: number
  devices?: number
}

export type CheckpointPlan = { command: 'checkpoint'; json: boolean } & (
  InspectPlan | DoctorPlan | ImportPlan | ExportPlan | VerifyPlan | PredictPlan | ProvePlan
)

/**
 * @param name of the command, both words
 * @throws UsageError
 */
export function parseCheckpoint(name: string, values: Values): CheckpointPlan {
  return { command: 'checkpoint', json: values.flag('json') ?? false, ...planOf(name, values) }
}

function planOf(
  name: string,
  values: Values,
): InspectPlan | DoctorPlan | ImportPlan | ExportPlan | VerifyPlan | PredictPlan | ProvePlan {
  const [path = ''] = values.arguments
  switch (name) {
    case 'checkpoint inspect':
      return { action: 'inspect', file: path, target: targetOf(values), tensors: values.flag('tensors') ?? false }
    case 'checkpoint doctor':
      return {
        action: 'doctor',
        file: path,
        target: targetOf(values),
        ...optional('repair', repairOf(values.text('repair'))),
      }
    case 'checkpoint import':
      return importPlan(path, values)
    case 'checkpoint export':
      return exportPlan(path, values)
    case 'checkpoint verify':
      return { action: 'verify', folder: path }
    case 'checkpoint predict':
      return predictPlan(values)
    case 'checkpoint prove':
      return {
        action: 'prove',
        runDirectory: path,
        ...optional('checkpoint', values.text('checkpoint')),
        ...optional('steps', values.integer('steps', 1, Number.MAX_SAFE_INTEGER)),
        ...optional('devices', values.integer('devices', 1, 1024)),
      }
    default:
      throw new Error(`"${name}" is in the table and has no plan.`)
  }
}

function repairOf(out: string | undefined): DoctorPlan['repair'] {
  if (out === undefined) return undefined
  const format = formatOf(out) ?? 'FOLDER'
  if (format !== 'ONNX') return { out, format }
  throw new UsageError(
    '--repair writes no ONNX files.',
    'Name a .safetensors or .pth file, or a folder; `trainql checkpoint export` writes ONNX.',
  )
}

function importPlan(file: string, values: Values): ImportPlan {
  const to = values.text('to')
  const home = values.text('home')
  if (to !== undefined && home !== undefined) {
    throw new UsageError(
      '--to and --home exclude one another.',
      'Give --to for a folder of your own, --home for the data directory.',
    )
  }
  return {
    action: 'import',
    file,
    ...optional('to', to),
    ...optional('home', home),
    target: targetOf(values),
    allowPartial: values.flag('partial') ?? false,
  }
}

function predictPlan(values: Values): PredictPlan {
  const [checkpoint = '', ...images] = values.arguments
  return {
    action: 'predict',
    checkpoint,
    images,
    ...optional('top', values.integer('top', 1, 1_000_000)),
    ...optional('imageSize', sizeOf(values.text('size'))),
  }
}

function sizeOf(text: string | undefined): ImageSize | undefined {
  if (text === undefined) return undefined
  const [, height, width] = (/^(\d{1,4})x(\d{1,4})$/.exec(text) ?? []).map(Number)
  const isSide = (side = 0): boolean => side >= 1 && side <= 4096
  if (isSide(height) && isSide(width)) return { height: height ?? 0, width: width ?? 0 }
  throw new UsageError(
    `--size expects a height and a width from 1 to 4096; got "${text}".`,
    'Write --size HxW, such as --size 224x224.',
  )
}

const formatNames = ['safetensors', 'torch', 'onnx'] as const
const formats = { safetensors: 'SAFETENSORS', torch: 'TORCH', onnx: 'ONNX' } as const

function exportPlan(file: string, values: Values): ExportPlan {
  const out = values.text('out')
  if (out === undefined) throw new UsageError('--out is missing.', 'Write --out FILE, such as --out model.pth.')
  const named = values.choice('format', formatNames)
  const format = named === undefined ? formatOf(out) : formats[named]
  if (format === undefined) {
    throw new UsageError(
      `The name "${out}" does not tell the format.`,
      'End it in .safetensors, .pth, .pt or .onnx, or give --format.',
    )
  }
  const plan: ExportPlan = {
    action: 'export',
    file,
    out,
    format,
    modulePrefix: values.flag('module-prefix') ?? false,
    trainingFile: values.flag('training-file') ?? false,
    foldBatchNorm: values.flag('fold') ?? true,
    replace: values.flag('force') ?? false,
  }
  const torchOnly = plan.modulePrefix ? '--module-prefix' : plan.trainingFile ? '--training-file' : undefined
  if (torchOnly !== undefined && format !== 'TORCH') throw notFor(torchOnly, 'torch', format)
  if (!plan.foldBatchNorm && format !== 'ONNX') throw notFor('--no-fold', 'onnx', format)
  return plan
}

function notFor(option: string, wanted: string, format: ExportFormat): UsageError {
  return new UsageError(
    `${option} is for ${wanted} files; this one is ${format.toLowerCase()}.`,
    `Leave it out, or write --format ${wanted}.`,
  )
}

function formatOf(out: string): ExportFormat | undefined {
  const byExtension: Record<string, ExportFormat> = {
    '.safetensors': 'SAFETENSORS',
    '.pth': 'TORCH',
    '.pt': 'TORCH',
    '.onnx': 'ONNX',
  }
  return byExtension[extname(out).toLowerCase()]
}

function targetOf(values: Values): Partial<TargetModel> {
  const name = readResNet(values, 'architecture')
  return {
    ...optional('architecture', name === undefined ? undefined : (name.toUpperCase() as Uppercase<typeof name>)),
    ...optional('classes', values.integer('classes', 1, 1_000_000)),
    ...optional('inputChannels', values.integer('channels', 1, 4096)),
  }
}

// What came of putting a checkpoint file's tensors into a model: the answer to "was it really loaded?".
import { z } from 'zod'
import { architectures } from './run-spec.ts'

/** How the bytes are laid out. TRAINQL is a checkpoint folder of ours. */
export const checkpointFormats = ['SAFETENSORS', 'TORCH_ZIP', 'TORCH_LEGACY', 'TRAINQL'] as const
export type CheckpointFormat = (typeof checkpointFormats)[number]

/** What the file holds: tensors by name, a training file around them, or a pickled model object. */
export const checkpointLayouts = ['STATE_DICT', 'TRAINING_FILE', 'LIGHTNING', 'WHOLE_MODEL'] as const
export type CheckpointLayout = (typeof checkpointLayouts)[number]

const count = z.number().int().min(0)
const names = z.array(z.string())
const shape = z.array(count)

export const recognisedModelSchema = z.strictObject({
  architecture: z.enum(architectures),
  /** Null where the last layer, `fc`, is not among the tensors. */
  classes: z.number().int().positive().nullable(),
  /** Null where the first layer, `conv1`, is not among the tensors. */
  inputChannels: z.number().int().positive().nullable(),
})
/** Which ResNet the tensors are, told by their names and shapes alone. */
export type RecognisedModel = z.output<typeof recognisedModelSchema>

export const loadReportSchema = z.strictObject({
  sourceFormat: z.enum(checkpointFormats),
  layout: z.enum(checkpointLayouts),
  /** Keys that lead to the tensors within the file, such as `state_dict`; empty: they are what the file holds. */
  foundAt: z.string(),
  /** Null where the tensors are those of no model that can be trained here. */
  recognised: recognisedModelSchema.nullable(),
  /** What the tensors are, in words: `a ResNet-50 with 1000 classes and 3 input channels`, `a ResNet-18 with a 3x3 stem`. */
  description: z.string(),
  /** Tensors of the model that the file filled, in the model's order. */
  matched: names,
  /** Tensors of the model that the file does not have. */
  missing: names,
  /** Tensors of the file that the model does not have, by their names in the file. */
  unexpected: names,
  /** Of one name, but of another shape than the model's. */
  shapeMismatch: z.array(z.strictObject({ name: z.string(), expected: shape, found: shape })),
  /** Left to fresh weights because the user said so. */
  reinitialised: names,
  /** Among the matched, made to fit because the user said so: a stem summed over its input channels. */
  adapted: names,
  /** Batch-norm counters that old files lack: among the matched, as 0. */
  assumedZero: names,
  /** Taken off the front of every name that had it, such as `module.`; empty where nothing was. */
  strippedPrefix: z.string(),
  /** Devices baked into the file, such as `cuda:3`, in order; `cpu` is not listed. They were ignored. */
  deviceTags: names,
})
export type LoadReport = z.output<typeof loadReportSchema>

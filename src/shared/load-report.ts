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
  classes: z.number().int().positive(),
  inputChannels: z.number().int().positive(),
})
/** Which ResNet the tensors are, told by their names and shapes alone. */
export type RecognisedModel = z.output<typeof recognisedModelSchema>

export const loadReportSchema = z.strictObject({
  sourceFormat: z.enum(checkpointFormats),
  layout: z.enum(checkpointLayouts),
  /** Null where the tensors are no ResNet's. */
  recognised: recognisedModelSchema.nullable(),
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
  /** Taken off the front of every name that had it, such as `module.`; empty where nothing was. */
  strippedPrefix: z.string(),
  /** Devices baked into the file, such as `cuda:3`, in order; `cpu` is not listed. They were ignored. */
  deviceTags: names,
})
export type LoadReport = z.output<typeof loadReportSchema>

// What stands in the way of loading a file, and what would elsewhere: the doctor's words for a load plan.
import type { CheckpointProblem, TargetModel } from '../../../shared/checkpoint-tool.ts'
import type { LoadReport } from '../../../shared/load-report.ts'
import type { LoadPlan } from './plan.ts'
import { plural, spell } from './recognise.ts'

export interface Meant {
  target: TargetModel
  /** Take what matches. */
  allowPartial: boolean
}

/** Those that block first; the first says most. */
export function findProblems({ report, recognition }: LoadPlan, { target, allowPartial }: Meant): CheckpointProblem[] {
  return [
    ...modelProblems({ report, recognition }, { target, allowPartial }),
    ...notes(report, recognition.kind === 'OTHER' ? '' : report.strippedPrefix),
  ]
}

function modelProblems(
  { report, recognition }: Pick<LoadPlan, 'report' | 'recognition'>,
  { target, allowPartial }: Meant,
): CheckpointProblem[] {
  const { kind, body, description } = recognition
  if (body !== null && target.architecture !== null && body !== target.architecture) {
    return [
      {
        code: 'WRONG_ARCHITECTURE',
        blocks: true,
        message: `Expected a ${spell(target.architecture)}; the file is ${description}.`,
        fix: `Use a file of a ${spell(target.architecture)}, or take ${body} for the model.`,
      },
    ]
  }
  const nothing = report.matched.length === 0 || (kind === 'PART' && target.architecture === null)
  if (kind === 'OTHER' || kind === 'RELATIVE' || nothing) {
    return [
      {
        code: 'NOT_A_RESNET',
        blocks: true,
        message: `Expected the tensors of a ResNet-18, 34, 50, 101 or 152 as torchvision has them; the file is ${description}.`,
        fix: 'Use a checkpoint of such a ResNet.',
      },
    ]
  }
  const problems: CheckpointProblem[] = []
  if (kind === 'VARIANT') {
    problems.push({
      code: 'NOT_A_RESNET',
      blocks: !allowPartial,
      message: `Expected a ${spell(body)} as torchvision has it; the file is ${description}.`,
      fix: 'Use a checkpoint of such a ResNet, or allow a partial load (allowPartial, --partial) and give fresh weights to what differs.',
    })
  }
  const wrongClasses = differ(target.classes, recognition.classes)
  if (wrongClasses) {
    problems.push({
      code: 'WRONG_CLASSES',
      blocks: !allowPartial,
      message: `Expected ${plural(target.classes ?? 0, 'class', 'classes')}; the file has ${recognition.classes}.`,
      fix: 'Import it with its own classes, and let the run reinitialise "fc".',
    })
  }
  const wrongChannels = differ(target.inputChannels, recognition.inputChannels)
  if (wrongChannels) {
    problems.push({
      code: 'WRONG_CHANNELS',
      blocks: !allowPartial,
      message: `Expected ${plural(target.inputChannels ?? 0, 'input channel', 'input channels')}; the file has ${recognition.inputChannels}.`,
      fix: 'Import it with its own channels, and let the run sum the stem (SUM_CHANNELS) or reinitialise "conv1".',
    })
  }
  // What follows from the above is in the report, and no problem of its own.
  const explained = (name: string): boolean =>
    (wrongClasses && name.startsWith('fc.')) || ((wrongChannels || kind === 'VARIANT') && name === 'conv1.weight')
  const misshapen = report.shapeMismatch.filter(({ name }) => !explained(name))
  const [first] = misshapen
  if (first !== undefined) {
    const all = misshapen.length === 1 ? '' : `, and ${misshapen.length - 1} more`
    problems.push({
      code: 'SHAPE_MISMATCH',
      blocks: !allowPartial,
      message: `Expected "${first.name}" as ${shapeText(first.expected)}; found ${shapeText(first.found)}${all}.`,
      fix: 'Use a checkpoint of the same network.',
    })
  }
  if (report.missing.length > 0) {
    problems.push({
      code: 'MISSING_TENSORS',
      blocks: !allowPartial,
      message: `Expected every tensor of the model; ${listed(report.missing)} not in the file.`,
      fix: 'Allow a partial load (allowPartial, --partial), and give fresh weights to what is missing (reinitialise).',
    })
  }
  if (report.unexpected.length > 0) {
    problems.push({
      code: 'UNEXPECTED_TENSORS',
      blocks: !allowPartial,
      message: `Expected no other tensors than the model's; the file also has ${listed(report.unexpected, null)}.`,
      fix: 'Allow a partial load (allowPartial, --partial) where they do not matter: they are left out.',
    })
  }
  return problems
}

/** No hindrance here. */
function notes({ deviceTags, layout, foundAt }: LoadReport, prefix: string): CheckpointProblem[] {
  const problems: CheckpointProblem[] = []
  if (prefix !== '') {
    problems.push({
      code: 'PREFIX',
      blocks: false,
      message: `The names begin with "${prefix}", which a wrapper left; a plain model in PyTorch knows none of them so.`,
      fix: 'Nothing needs to be done: it is taken off here.',
    })
  }
  if (layout === 'WHOLE_MODEL') {
    problems.push({
      code: 'WHOLE_MODEL',
      blocks: false,
      message: `The file holds a whole pickled model${foundAt === '' ? '' : ` at "${foundAt}"`}: PyTorch loads it only where its classes can be imported and with weights_only=False, which runs what the file says.`,
      fix: 'Nothing needs to be done: its tensors are read here without running anything.',
    })
  }
  if (deviceTags.length > 0) {
    problems.push({
      code: 'DEVICE_TAGS',
      blocks: false,
      message: `The file names devices: ${deviceTags.join(', ')}; PyTorch wants them, or map_location, to load it.`,
      fix: 'Nothing needs to be done: they are ignored here.',
    })
  }
  return problems
}

export function notFiniteProblem(name: string, count: number): CheckpointProblem {
  const others = count > 1 ? `, as do ${count - 1} more tensors` : ''
  return {
    code: 'NON_FINITE',
    blocks: true,
    message: `Expected finite weights; "${name}" holds a NaN or an infinity${others}.`,
    fix: 'Use an earlier checkpoint, from before the training diverged.',
  }
}

function differ(expected: number | null, found: number | null): boolean {
  return expected !== null && found !== null && expected !== found
}

function shapeText(shape: readonly number[]): string {
  return `(${shape.join(', ')})`
}

const mostListed = 3

/** @param verb `is` or `are` behind the names; null: none. */
function listed(names: readonly string[], verb: 'be' | null = 'be'): string {
  const shown = names.slice(0, mostListed).map((name) => `"${name}"`)
  const more = names.length - shown.length
  const text = more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ')
  return verb === null ? text : `${text} ${names.length === 1 ? 'is' : 'are'}`
}

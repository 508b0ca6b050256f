// Which ResNet tensors are, from their names and shapes alone, and what they are where it is none that is trained here.
import { architectures, type Architecture } from '../../../shared/run-spec.ts'
import { stateEntries } from '../../models/parameters.ts'
import { resnet, resnetStages } from '../../models/resnet.ts'

export type Shapes = ReadonlyMap<string, readonly number[]>

interface Described {
  /** Such as `a ResNet-50 with 1000 classes and 3 input channels`. */
  description: string
  /** Null where the layer that tells is not among the tensors. */
  classes: number | null
  inputChannels: number | null
}

/**
 * MODEL: one that is trained here. VARIANT: its body, with another stem, last layer or names. RELATIVE: a ResNet of other
 * widths or depths. PART: some layers of a ResNet. OTHER: none.
 */
export type Recognition = Described &
  ({ kind: 'MODEL' | 'VARIANT'; body: Architecture } | { kind: 'RELATIVE' | 'PART' | 'OTHER'; body: null })

/** Every name that a ResNet here can have. */
export const resnetNames: ReadonlySet<string> = new Set(architectures.flatMap((architecture) => namesOf(architecture)))

function namesOf(architecture: Architecture): string[] {
  const graph = resnet({ architecture, input: { channels: 3, height: 224, width: 224 }, classes: 1000 })
  return stateEntries(graph).map(({ name }) => name)
}

const bodies: ReadonlyMap<string, Architecture> = new Map(
  architectures.map((architecture) => {
    const { block, depths } = resnetStages[architecture]
    return [[block, ...depths].join(' '), architecture]
  }),
)

/** `RESNET50` as people write it. */
export function spell(architecture: Architecture): string {
  return `ResNet-${architecture.slice('RESNET'.length)}`
}

/** @param shapes by name, without the prefix that a wrapper left. */
export function recognise(shapes: Shapes): Recognition {
  const stages = stagesOf(shapes)
  const depths = stages.map(({ blocks }) => blocks)
  const stem = shapes.get('conv1.weight')
  const last = shapes.get('fc.weight') ?? shapes.get('fc.bias') ?? shapes.get('linear.weight')
  const ends = { classes: sizeWithin(mostClasses, last?.[0]), inputChannels: sizeWithin(mostChannels, stem?.[1]) }
  if (stages[0] === undefined) return { kind: 'OTHER', body: null, description: describeOther(shapes), ...ends }
  if (stages[0].stage !== 1 || (depths.length < 4 && (stem === undefined || last === undefined))) {
    const names = stages.map(({ stage }) => `layer${stage}`)
    return { kind: 'PART', body: null, description: `part of a ResNet: ${names.join(', ')}`, ...ends }
  }
  const bottleneck = shapes.has('layer1.0.conv3.weight')
  const body = bodies.get([bottleneck ? 'bottleneck' : 'basic', ...depths].join(' ')) ?? null
  const { text, width, plain } = nameBody({ shapes, depths, bottleneck, body })
  const variants = variantsOf(shapes, width)
  const description = describe(text, { ...ends, variants })
  if (!plain || body === null) return { kind: 'RELATIVE', body: null, description, ...ends }
  return { kind: variants.length > 0 ? 'VARIANT' : 'MODEL', body, description, ...ends }
}

/** More is no model but a file that was made to cost memory: a tensor may repeat one value without end. */
const mostClasses = 1_000_000
const mostChannels = 4096

function sizeWithin(most: number, size: number | undefined): number | null {
  return size !== undefined && size > 0 && size <= most ? size : null
}

/** Blocks in `layer1`, `layer2` …, those that are there. */
function stagesOf(shapes: Shapes): { stage: number; blocks: number }[] {
  const blocks = new Map<number, number>()
  for (const name of shapes.keys()) {
    const [, stage, block] = /^layer(\d)\.(\d{1,3})\.conv1\.weight$/.exec(name) ?? []
    if (stage !== undefined && block !== undefined)
      blocks.set(Number(stage), Math.max(blocks.get(Number(stage)) ?? 0, Number(block) + 1))
  }
  return [...blocks].map(([stage, count]) => ({ stage, blocks: count })).sort((a, b) => a.stage - b.stage)
}

interface Body {
  shapes: Shapes
  depths: readonly number[]
  bottleneck: boolean
  body: Architecture | null
}

interface BodyName {
  text: string
  /** Channels that the first stage reads. */
  width: number
  /** Torchvision's own, rather than a relative's. */
  plain: boolean
}

/** Depth and widths: the plain network, or which of its relatives. */
function nameBody({ shapes, depths, bottleneck, body }: Body): BodyName {
  const size = (name: string, dimension: number): number => shapes.get(name)?.[dimension] ?? 0
  const inner = size('layer1.0.conv1.weight', 0)
  // (O, I / groups, 3, 3)
  const groups = bottleneck ? inner / Math.max(1, size('layer1.0.conv2.weight', 1)) : 1
  const width = bottleneck ? size('layer1.0.conv3.weight', 0) / 4 : inner
  const layers = 2 + depths.reduce((sum, blocks) => sum + blocks, 0) * (bottleneck ? 3 : 2)
  const relative = (text: string): BodyName => ({ text, width, plain: false })
  if (depths.length === 3) return relative(`a ResNet-${layers} of three stages, as for CIFAR,`)
  if (groups > 1 && Number.isInteger(groups)) return relative(`a ResNeXt-${layers} ${groups}x${inner / groups}d`)
  if (bottleneck && width > 0 && inner > width) return relative(`a Wide ResNet-${layers}-${inner / width}`)
  if (body === null) return relative(`a ResNet-${layers} of ${depths.join(', ')} blocks`)
  if (width !== 64) return relative(`a ResNet-${layers} that begins with ${width} channels rather than 64,`)
  return { text: `a ${spell(body)}`, width, plain: true }
}

/** What else sets it apart from torchvision's network; each completes `a ResNet with …`. */
function variantsOf(shapes: Shapes, width: number): string[] {
  const variants: string[] = []
  const stem = shapes.get('conv1.weight')
  if (stem !== undefined && (stem.length !== 4 || stem[2] !== 7 || stem[3] !== 7)) {
    variants.push(`a ${stem.slice(2).join('x')} stem where torchvision has a 7x7 one`)
  } else if (stem !== undefined && width === 64 && stem[0] !== 64) {
    variants.push(`a stem of ${stem[0] ?? 0} channels where torchvision has 64`)
  }
  if (stem === undefined && shapes.has('conv1.0.weight')) variants.push('a deep stem of several convolutions')
  if ([...shapes.keys()].some((name) => /^layer\d\.\d+\.se\./.test(name))) variants.push('squeeze-and-excitation')
  if (shapes.has('layer2.0.shortcut.0.weight')) variants.push('shortcuts named "shortcut" rather than "downsample"')
  if (shapes.has('linear.weight') && !shapes.has('fc.weight'))
    variants.push('a last layer named "linear" rather than "fc"')
  if (shapes.has('layer2.0.downsample.1.weight') && shapes.has('layer2.0.downsample.2.weight'))
    variants.push('an average pool in its shortcuts')
  return variants
}

interface Parts extends Omit<Described, 'description'> {
  variants: readonly string[]
}

function describe(name: string, { classes, inputChannels, variants }: Parts): string {
  const has = [
    ...variants,
    classes === null ? 'no last layer' : plural(classes, 'class', 'classes'),
    inputChannels === null ? null : plural(inputChannels, 'input channel', 'input channels'),
  ].filter((part) => part !== null)
  return `${name} with ${has.length === 1 ? (has[0] ?? '') : `${has.slice(0, -1).join(', ')} and ${has.at(-1) ?? ''}`}`
}

export function plural(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`
}

const otherModels: readonly [sign: RegExp, description: string][] = [
  [
    /^(resnet\.)?encoder\.stages\.\d+\.layers\.\d+\.layer\.\d+\.convolution\.weight$/,
    'a ResNet under the names of Hugging Face Transformers',
  ],
  [/^features\.denseblock/, 'a DenseNet'],
  [/^features\.\d+\.weight$/, 'a VGG or AlexNet'],
  [/^(blocks|encoder\.layers?)\.\d+\..*(attn|attention)/, 'a transformer'],
  [/^(features|blocks)\.\d+\./, 'a convolutional network of another kind'],
  [/^(unet|model\.diffusion_model)\./, 'a diffusion model'],
]

function describeOther(shapes: Shapes): string {
  const names = [...shapes.keys()]
  if (names.length === 0) return 'no tensors'
  const known = otherModels.find(([sign]) => names.some((name) => sign.test(name)))
  const shown = names.slice(0, 3).map((name) => `"${name.slice(0, 80)}"`)
  const listed = names.length > shown.length ? `${shown.join(', ')} …` : shown.join(', ')
  return `${known?.[1] ?? 'no ResNet'}: ${plural(names.length, 'tensor', 'tensors')} (${listed})`
}

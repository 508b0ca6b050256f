// The weights that torchvision publishes for its ResNets, by the names torchvision gives them
// (torchvision/models/resnet.py). Nothing of them is shipped with us: a file comes from a folder or a URL of the user's.
import type { Architecture } from './run-spec.ts'

export const pretrainedNames = [
  'RESNET18_IMAGENET1K_V1',
  'RESNET34_IMAGENET1K_V1',
  'RESNET50_IMAGENET1K_V1',
  'RESNET50_IMAGENET1K_V2',
  'RESNET101_IMAGENET1K_V1',
  'RESNET101_IMAGENET1K_V2',
  'RESNET152_IMAGENET1K_V1',
  'RESNET152_IMAGENET1K_V2',
] as const
export type PretrainedName = (typeof pretrainedNames)[number]

/** Of a pixel / 255, per channel: what every one of these was trained on. */
export const imageNetNormalisation = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] } as const

export interface PretrainedWeights {
  name: PretrainedName
  architecture: Architecture
  /** Its name ends in the first eight hexadecimal digits of its sha-256. */
  file: string
  sha256Prefix: string
  /** About, as published. */
  megabytes: number
  classes: 1000
  /** Height and width of the images that the published accuracy is of. */
  imageSize: 224
  /** Top-1 on ImageNet's validation images, as published. */
  accuracy: number
}

type Published = Pick<PretrainedWeights, 'sha256Prefix' | 'megabytes' | 'accuracy'>

const published: Record<PretrainedName, Published> = {
  RESNET18_IMAGENET1K_V1: { sha256Prefix: 'f37072fd', megabytes: 44.661, accuracy: 0.69758 },
  RESNET34_IMAGENET1K_V1: { sha256Prefix: 'b627a593', megabytes: 83.275, accuracy: 0.73314 },
  RESNET50_IMAGENET1K_V1: { sha256Prefix: '0676ba61', megabytes: 97.781, accuracy: 0.7613 },
  RESNET50_IMAGENET1K_V2: { sha256Prefix: '11ad3fa6', megabytes: 97.79, accuracy: 0.80858 },
  RESNET101_IMAGENET1K_V1: { sha256Prefix: '63fe2227', megabytes: 170.511, accuracy: 0.77374 },
  RESNET101_IMAGENET1K_V2: { sha256Prefix: 'cd907fc2', megabytes: 170.53, accuracy: 0.81886 },
  RESNET152_IMAGENET1K_V1: { sha256Prefix: '394f9c45', megabytes: 230.434, accuracy: 0.78312 },
  RESNET152_IMAGENET1K_V2: { sha256Prefix: 'f82ba261', megabytes: 230.474, accuracy: 0.82284 },
}

export function pretrainedWeights(name: PretrainedName): PretrainedWeights {
  const architecture = name.slice(0, name.indexOf('_')) as Architecture
  const record = published[name]
  const file = `${architecture.toLowerCase()}-${record.sha256Prefix}.pth`
  return { name, architecture, file, classes: 1000, imageSize: 224, ...record }
}

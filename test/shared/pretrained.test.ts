// The table of published weights: file names as torchvision has them.
import { expect, test } from 'vitest'
import { pretrainedNames, pretrainedWeights } from '../../src/shared/pretrained.ts'

test('every name stands for the file that torchvision fetches', () => {
  expect(pretrainedNames.map((name) => [name, pretrainedWeights(name).file])).toEqual([
    ['RESNET18_IMAGENET1K_V1', 'resnet18-f37072fd.pth'],
    ['RESNET34_IMAGENET1K_V1', 'resnet34-b627a593.pth'],
    ['RESNET50_IMAGENET1K_V1', 'resnet50-0676ba61.pth'],
    ['RESNET50_IMAGENET1K_V2', 'resnet50-11ad3fa6.pth'],
    ['RESNET101_IMAGENET1K_V1', 'resnet101-63fe2227.pth'],
    ['RESNET101_IMAGENET1K_V2', 'resnet101-cd907fc2.pth'],
    ['RESNET152_IMAGENET1K_V1', 'resnet152-394f9c45.pth'],
    ['RESNET152_IMAGENET1K_V2', 'resnet152-f82ba261.pth'],
  ])
  expect(pretrainedWeights('RESNET50_IMAGENET1K_V2')).toMatchObject({ architecture: 'RESNET50', classes: 1000 })
})

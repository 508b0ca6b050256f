// What docs/pytorch-checkpoints.md says of PyTorch, asked of PyTorch.
import { expect, test } from 'vitest'
import { tryPython } from '../../engine/parity/python.ts'

const text = (pattern: RegExp): unknown => expect.stringMatching(pattern)
const mismatch = text(/^RuntimeError: Error\(s\) in loading state_dict/)
const refused = text(/^UnpicklingError: Weights only load failed/)

test('PyTorch does what the page says of it', async ({ skip }) => {
  const tried = await tryPython('../../trainer/checkpoints/tutorial.py')
  if ('missing' in tried) return skip(tried.missing)
  expect(JSON.parse(tried.stdout)).toEqual({
    wholeModel: refused,
    movedClass: text(/^ModuleNotFoundError: No module named 'gone'/),
    // A method is saved, and refused when it is loaded.
    notCalled: ['method', text(/^TypeError: Expected state_dict to be dict-like/)],
    // Without map_location, and with it.
    otherDevice: [text(/^RuntimeError: Attempting to deserialize object on a CUDA device/), null],
    wrapperName: 'module.layer1.weight',
    wrapperStrict: mismatch,
    wrapperNotStrict: { unchanged: true, missing: 4, unexpected: 4 },
    dictAssigned: {
      unchanged: true,
      sameOutputs: true,
      next: "TypeError: 'collections.OrderedDict' object is not callable",
    },
    cut: ['eight', 'ght'],
    // Of names that all have the prefix.
    cutPrefixed: null,
    replaced: ['mlp_weight', mismatch],
    // These stay random.
    replacedNotStrict: ['mlp_module.weight', 'mlp_module.bias'],
    wholeWrapper: {
      ids: [1, 2],
      forward: text(/^RuntimeError: module must have its parameters and buffers on device cuda:1/),
    },
    unwrapped: true,
    methodAssigned: { loaded: false, trained: true, checkpointHoldsOldWeights: true },
    trainingFile: refused,
    // Nothing is loaded.
    trainingFileNotStrict: true,
    // So many numbers differ, and nothing was raised.
    damaged: 1,
  })
}, 120_000)

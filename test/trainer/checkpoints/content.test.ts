// Where in a file the weights are found, in every form that PyTorch writes.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readContent } from '../../../src/trainer/checkpoints/content/content.ts'
import { openTensorFile } from '../../../src/trainer/checkpoints/formats/open.ts'
import { resnetNames } from '../../../src/trainer/checkpoints/loading/recognise.ts'
import { temporaryFolder } from '../fixtures/temporary-folder.ts'
import { readForms } from './forms/forms.ts'

const forms = readForms()

test.each([
  ['state-dict.pth', 'STATE_DICT', '', 122],
  ['imagenet-example.pth.tar', 'TRAINING_FILE', 'state_dict', 122],
  ['tutorial-training-file.pth', 'TRAINING_FILE', 'model', 122],
  // With a tensor of the loss.
  ['lightning.ckpt', 'LIGHTNING', 'state_dict', 123],
  ['whole-model-legacy.pth', 'WHOLE_MODEL', '', 122],
  ['whole-data-parallel.pth', 'WHOLE_MODEL', '', 122],
  // A method, and behind it its model.
  ['state-dict-not-called.pth', 'WHOLE_MODEL', '', 122],
  // What was assigned to the model is not its weights.
  ['whole-model-state-dict-assigned.pth', 'WHOLE_MODEL', '', 122],
])('%s is %s at "%s"', async (name, layout, foundAt, tensors) => {
  const path = join(temporaryFolder(), name)
  writeFileSync(path, forms.get(name)!.content)
  const file = await openTensorFile(path)
  const content = await readContent(file, { known: resnetNames, what: name })
  expect(content).toMatchObject({ layout, foundAt })
  expect(content?.weights.size).toBe(tensors)
  if (name.includes('assigned')) {
    // make.py gave the model zeros and assigned a dictionary of others.
    const bias = content!.weights.get('fc.bias')!
    expect(await file.readFloats(bias)).toEqual(new Float32Array(10))
  }
  await file.close()
})

test.each(['optimizer-alone.pth', 'numbers.pth', 'hostile.pth'])('%s holds no weights', async (name) => {
  const path = join(temporaryFolder(), name)
  writeFileSync(path, forms.get(name)!.content)
  const file = await openTensorFile(path)
  expect(await readContent(file, { known: resnetNames, what: name })).toBeNull()
  await file.close()
})

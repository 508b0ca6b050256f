// What `trainql checkpoint` shows, line by line.
import { expect, test } from 'vitest'
import { renderDiagnosis, renderInspection, renderTensors, renderVerdict } from '../../src/cli/checkpoint/inspection.ts'
import { printable } from '../../src/cli/checkpoint/printable.ts'
import { renderReadProgress } from '../../src/cli/checkpoint/progress.ts'
import { renderExported, renderImported, renderProof, renderVerification } from '../../src/cli/checkpoint/results.ts'
import { createScreen } from '../../src/cli/terminal/screen.ts'
import type { CheckpointInspection, CheckpointProof } from '../../src/shared/checkpoint-tool.ts'
import type { LoadReport } from '../../src/shared/load-report.ts'

const { style } = createScreen({ write: () => undefined }, {})
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `t${index}`)

const report: LoadReport = {
  sourceFormat: 'TORCH_ZIP',
  layout: 'TRAINING_FILE',
  foundAt: 'state_dict',
  description: 'a ResNet-50 with 1000 classes and 3 input channels',
  recognised: { architecture: 'RESNET50', classes: 1000, inputChannels: 3 },
  matched: names(2),
  missing: [],
  unexpected: [],
  shapeMismatch: [],
  reinitialised: [],
  adapted: [],
  assumedZero: [],
  strippedPrefix: 'module.',
  deviceTags: ['cuda:0', 'cuda:3'],
}

const inspection: CheckpointInspection = {
  file: 'model.pth',
  bytes: 102_540_417,
  format: 'TORCH_ZIP',
  layout: 'TRAINING_FILE',
  report,
  loads: true,
  problems: [
    { code: 'PREFIX', blocks: false, message: 'Every name begins with "module.".', fix: 'Nothing to do.' },
    { code: 'DEVICE_TAGS', blocks: false, message: 'Tensors are tagged cuda:3.', fix: 'Nothing to do.' },
  ],
  parameters: 25_557_032,
  tensors: [
    { name: 'module.conv1.weight', dtype: 'F32', shape: [64, 3, 7, 7], device: 'cuda:3' },
    { name: 'module.bn1.num_batches_tracked', dtype: 'I64', shape: [], device: 'cuda:3' },
  ],
  optimizer: { kind: 'SGD', step: 450_000, tensors: 161 },
  facts: { epoch: 90, arch: 'resnet50', bestAccuracy: 76.1299999 },
}

test('an inspection is a fact a line, and a verdict', () => {
  expect(renderInspection(inspection, style)).toEqual([
    'model.pth  102.5 MB',
    '',
    '  format         PyTorch, zip (1.6 and newer)',
    '  content        training file: weights beside epoch, optimiser and such',
    '  found at       state_dict',
    '  model          a ResNet-50 with 1000 classes and 3 input channels',
    '  parameters     25,557,032',
    '  tensors        2: 1 F32, 1 I64',
    '  prefix         module. (taken off every name)',
    '  devices        cuda:0, cuda:3 (ignored)',
    '  optimizer      SGD, 450,000 steps, 161 tensors of state',
    '  epoch          90',
    '  arch           resnet50 (as the file says)',
    '  best accuracy  76.13',
  ])
  expect(renderVerdict(inspection, style)).toEqual(['ok loads: 2 of 2 tensors'])
  expect(renderTensors(inspection.tensors)).toEqual([
    'module.conv1.weight             F32  64 x 3 x 7 x 7  cuda:3',
    'module.bn1.num_batches_tracked  I64  scalar          cuda:3',
  ])
})

test('what is no checkpoint has few facts', () => {
  const nothing: CheckpointInspection = {
    ...inspection,
    file: 'cat.jpg',
    bytes: 900,
    format: null,
    layout: null,
    report: null,
    loads: false,
    problems: [{ code: 'NOT_A_CHECKPOINT', blocks: true, message: 'It is a JPEG image.', fix: 'Name a checkpoint.' }],
    parameters: 0,
    tensors: [],
    optimizer: null,
    facts: { epoch: null, arch: null, bestAccuracy: null },
  }
  expect([...renderInspection(nothing, style), ...renderVerdict(nothing, style)]).toEqual([
    'cat.jpg  900 B',
    '',
    '  format  none that is known',
    'x does not load',
    '  NOT_A_CHECKPOINT',
    '    It is a JPEG image.',
    '    fix: Name a checkpoint.',
  ])
})

test('a verdict names the first hindrance and where the others are; the doctor tells all, hindrances first', () => {
  const wrong: CheckpointInspection = {
    ...inspection,
    loads: false,
    problems: [
      ...inspection.problems,
      { code: 'WRONG_ARCHITECTURE', blocks: true, message: 'It is a ResNet-50.', fix: 'Use another.' },
    ],
  }
  expect(renderVerdict(wrong, style)).toEqual([
    'x does not load',
    '  WRONG_ARCHITECTURE',
    '    It is a ResNet-50.',
    '    fix: Use another.',
    '',
    'All 3 findings: trainql checkpoint doctor model.pth',
  ])
  expect(renderDiagnosis(wrong, style).filter((line) => /^\S|^ {2}\S|^$/.test(line))).toEqual([
    'x does not load',
    '  WRONG_ARCHITECTURE',
    '',
    'Also worth knowing:',
    '  PREFIX',
    '  DEVICE_TAGS',
  ])
})

test('an import says what matched and what did not', () => {
  const partial: LoadReport = {
    ...report,
    matched: names(118),
    missing: ['layer4.1.bn2.weight'],
    unexpected: names(8),
    shapeMismatch: [{ name: 'fc.weight', expected: [10, 2048], found: [1000, 2048] }],
    reinitialised: ['fc.bias'],
  }
  const imported = {
    folder: 'c',
    bytes: 94_000_000,
    sha256: 'ab',
    sourceSha256: 'cd',
    epoch: 90,
    step: 1,
    hasOptimizer: true,
    report: partial,
  }
  expect(renderImported(imported, style)).toEqual([
    'ok c  a ResNet-50 with 1000 classes and 3 input channels  94.0 MB',
    '  matched        118 of 121 tensors',
    '  missing        layer4.1.bn2.weight',
    '  unexpected     t0',
    ...[1, 2, 3, 4, 5].map((index) => `                 t${index}`),
    '                 and 2 more',
    '  shape          fc.weight: expected 10 x 2048, found 1000 x 2048',
    '  fresh weights  fc.bias',
    '  prefix         module. taken off',
    '  optimizer      its state came along',
    '  sha-256        ab  model.safetensors',
  ])
})

test('an export and a verification', () => {
  expect(renderExported({ out: 'o.pth', bytes: 1500, sha256: 'ab', format: 'TORCH' }, style)).toEqual([
    'ok o.pth  1.5 kB',
    '  sha-256  ab',
  ])
  const files = [
    { name: 'model.safetensors', bytes: 1500, intact: true, expected: 'aa', found: 'aa' },
    { name: 'optimizer.safetensors', bytes: 900, intact: false, expected: 'bb', found: 'cc' },
  ]
  expect(renderVerification({ folder: 'c', intact: false, files }, style)).toEqual([
    'x c  damaged',
    '  model.safetensors      1.5 kB  intact',
    '  optimizer.safetensors  900 B   damaged',
    '  optimizer.safetensors: expected bb',
    '                         found    cc',
  ])
})

test('a proof says what was compared, or the first difference in all its digits', () => {
  const proof: CheckpointProof = {
    checkpoint: '1-00000004',
    fromStep: 4,
    toStep: 8,
    devices: ['cpu:0', 'cpu:1'],
    lossesCompared: 4,
    comparedWith: '1-00000008',
    tensorsCompared: 122,
    matches: true,
    firstDifference: null,
    caveats: [],
  }
  expect(renderProof(proof, style)).toEqual([
    'ok bit-equal: 4 losses and 122 tensors of checkpoint 1-00000008',
    '  steps 5 to 8, from checkpoint 1-00000004, on cpu:0, cpu:1',
  ])
  const differs: CheckpointProof = {
    ...proof,
    checkpoint: null,
    fromStep: 7,
    matches: false,
    firstDifference: { what: 'loss', step: 6, expected: 2.3025850929940455, found: null },
    caveats: ['the run used avx512, this machine has avx2'],
  }
  expect(renderProof(differs, style)).toEqual([
    'x not equal',
    '  first difference: loss at step 6',
    '  expected 2.3025850929940455, found no finite number',
    '  step 8, from the initial weights, on cpu:0, cpu:1',
    '  note: the run used avx512, this machine has avx2',
  ])
})

test('progress fits the terminal', () => {
  const progress = { doneBytes: 60_000_000, ofBytes: 240_000_000 }
  expect(renderReadProgress(progress, { columns: 80, style })).toBe(
    '######------------------  25 %  60.0 MB of 240.0 MB',
  )
  expect(renderReadProgress(progress, { columns: 20, style })).toBe('######-------------')
  expect(renderReadProgress({ doneBytes: 0, ofBytes: 0 }, { columns: 80, style })).toContain('100 %')
})

test("a stranger's names cannot move the cursor or forge a line", () => {
  expect(printable({ names: ['fc\u001b[2K\rok', 'a\nb', 'übung\u202e'], count: 3, nothing: null })).toEqual({
    names: ['fc\\u{1b}[2K\\u{d}ok', 'a\\u{a}b', 'übung\\u{202e}'],
    count: 3,
    nothing: null,
  })
})

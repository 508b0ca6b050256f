// `trainql checkpoint` as tables: what each line plans, and what each wrong line says.
import { expect, test } from 'vitest'
import { checkpointCommands } from '../../src/cli/checkpoint/options.ts'
import type { CheckpointPlan } from '../../src/cli/checkpoint/parse.ts'
import { argumentName } from '../../src/cli/command-spec.ts'
import { renderHelp } from '../../src/cli/help.ts'
import { parse, type Plan } from '../../src/cli/parse.ts'
import { UsageError } from '../../src/cli/values.ts'

type Part<Action> = Extract<CheckpointPlan, { action: Action }>
const plan = { command: 'checkpoint', json: false } as const
const inspect = { ...plan, action: 'inspect', file: 'f', target: {}, tensors: false } satisfies Part<'inspect'>
const exported = {
  ...plan,
  action: 'export',
  file: 'f',
  out: 'o.pth',
  format: 'TORCH',
  modulePrefix: false,
  trainingFile: false,
  foldBatchNorm: true,
  replace: false,
} satisfies Part<'export'>

test.each<[string, Plan]>([
  ['checkpoint', { command: 'help', topic: 'checkpoint' }],
  ['checkpoint --help', { command: 'help', topic: 'checkpoint' }],
  ['help checkpoint', { command: 'help', topic: 'checkpoint' }],
  ['help checkpoint export', { command: 'help', topic: 'checkpoint export' }],
  ['checkpoint prove -h', { command: 'help', topic: 'checkpoint prove' }],
  ['checkpoint inspect f', inspect],
  ['--json checkpoint inspect f', { ...inspect, json: true }],
  ['checkpoint inspect --tensors f', { ...inspect, tensors: true }],
  [
    'checkpoint inspect f --architecture ResNet-50 --classes 10 --channels 1',
    { ...inspect, target: { architecture: 'RESNET50', classes: 10, inputChannels: 1 } },
  ],
  ['checkpoint inspect f --architecture 18', { ...inspect, target: { architecture: 'RESNET18' } }],
  ['checkpoint predict c a.png b.jpg', { ...plan, action: 'predict', checkpoint: 'c', images: ['a.png', 'b.jpg'] }],
  [
    'checkpoint predict c photos --top 1 --size 224x192 --json',
    {
      ...{ ...plan, json: true, action: 'predict', checkpoint: 'c', images: ['photos'] },
      ...{ top: 1, imageSize: { height: 224, width: 192 } },
    },
  ],
  ['checkpoint doctor f', { ...plan, action: 'doctor', file: 'f', target: {} }],
  [
    'checkpoint doctor f --repair g.safetensors',
    { ...plan, action: 'doctor', file: 'f', target: {}, repair: { out: 'g.safetensors', format: 'SAFETENSORS' } },
  ],
  [
    'checkpoint doctor f --repair g.PTH',
    { ...plan, action: 'doctor', file: 'f', target: {}, repair: { out: 'g.PTH', format: 'TORCH' } },
  ],
  [
    'checkpoint doctor f --repair v1.2',
    { ...plan, action: 'doctor', file: 'f', target: {}, repair: { out: 'v1.2', format: 'FOLDER' } },
  ],
  ['checkpoint import f', { ...plan, action: 'import', file: 'f', target: {}, allowPartial: false }],
  [
    'checkpoint import f --to g --partial --classes 10',
    { ...plan, action: 'import', file: 'f', to: 'g', target: { classes: 10 }, allowPartial: true },
  ],
  [
    'checkpoint import f --home h',
    { ...plan, action: 'import', file: 'f', home: 'h', target: {}, allowPartial: false },
  ],
  ['checkpoint export f --out o.pth', exported],
  ['checkpoint export f -o o.pt -f', { ...exported, out: 'o.pt', replace: true }],
  [
    'checkpoint export f -o o.pth --module-prefix --training-file',
    { ...exported, modulePrefix: true, trainingFile: true },
  ],
  ['checkpoint export f -o o --format torch', { ...exported, out: 'o' }],
  ['checkpoint export f -o o.bin --format safetensors', { ...exported, out: 'o.bin', format: 'SAFETENSORS' }],
  ['checkpoint export f -o o.onnx', { ...exported, out: 'o.onnx', format: 'ONNX' }],
  ['checkpoint export f -o o.onnx --no-fold', { ...exported, out: 'o.onnx', format: 'ONNX', foldBatchNorm: false }],
  ['checkpoint verify c', { ...plan, action: 'verify', folder: 'c' }],
  ['checkpoint prove r', { ...plan, action: 'prove', runDirectory: 'r' }],
  [
    'checkpoint prove r --checkpoint 1-00000004 --steps 3 --devices 2',
    { ...plan, action: 'prove', runDirectory: 'r', checkpoint: '1-00000004', steps: 3, devices: 2 },
  ],
])('trainql %s', (line, expected) => {
  expect(parse(line.split(' '))).toEqual(expected)
})

test.each([
  ['checkpoint insp f', 'There is no command "checkpoint insp".', '`trainql checkpoint --help` lists the commands.'],
  ['checkpoint inspekt f', 'There is no command "checkpoint inspekt".', 'Did you mean trainql checkpoint inspect?'],
  ['help checkpoint exprt', 'There is no command "checkpoint exprt".', 'Did you mean trainql checkpoint export?'],
  ['checkpoint --jsn', 'There is no option --jsn.', '`trainql checkpoint --help` lists the options.'],
  ['checkpoint inspect', 'FILE is missing.', 'Write trainql checkpoint inspect FILE.'],
  ['checkpoint verify --json', 'FOLDER is missing.', 'Write trainql checkpoint verify FOLDER.'],
  ['checkpoint inspect f g', '"g" is one argument too many.', '`trainql checkpoint inspect --help` lists the options.'],
  ['checkpoint inspect f --classes 0', '--classes expects a whole number from 1 to 1000000; got "0".', ''],
  ['checkpoint inspect f --architecture vgg', '--architecture does not know "vgg".', 'Choose resnet18'],
  ['checkpoint doctor f --repair g.onnx', '--repair writes no ONNX files.', '`trainql checkpoint export` writes ONNX.'],
  ['checkpoint import f --to g --home h', '--to and --home exclude one another.', 'Give --to'],
  ['checkpoint export f', '--out is missing.', 'Write --out FILE'],
  ['checkpoint export f --out model.bin', 'The name "model.bin" does not tell the format.', 'give --format'],
  ['checkpoint export f -o o --format pickle', '--format does not know "pickle".', 'Choose safetensors, torch, onnx.'],
  [
    'checkpoint export f -o o.onnx --module-prefix',
    '--module-prefix is for torch files; this one is onnx.',
    'Leave it out, or write --format torch.',
  ],
  [
    'checkpoint export f -o o.safetensors --training-file',
    '--training-file is for torch files; this one is safetensors.',
    'Leave it out',
  ],
  ['checkpoint predict c', 'IMAGE is missing.', 'Write trainql checkpoint predict CHECKPOINT IMAGE….'],
  [
    'checkpoint predict c a.png --size 224',
    '--size expects a height and a width from 1 to 4096; got "224".',
    'Write --size HxW, such as --size 224x224.',
  ],
  [
    'checkpoint predict c a.png --size 0x8',
    '--size expects a height and a width from 1 to 4096; got "0x8".',
    'Write --size HxW, such as --size 224x224.',
  ],
  ['checkpoint export f -o o.pth --no-fold', '--no-fold is for onnx files; this one is torch.', 'Leave it out'],
])('trainql %s is refused', (line, message, fix) => {
  let thrown: unknown
  try {
    parse(line.split(' '))
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(UsageError)
  expect((thrown as UsageError).message).toBe(message)
  expect((thrown as UsageError).fix).toContain(fix)
})

test('help lists the commands of the group, and each has a page that fits 100 columns', () => {
  const group = renderHelp('checkpoint')
  for (const command of checkpointCommands) {
    const page = renderHelp(command.name)
    expect(group).toContain(command.summary)
    expect(page).toContain(`Usage: trainql ${command.name} ${command.arguments.map(argumentName).join(' ')} [options]`)
    expect(page.split('\n').filter((line) => line.length > 100)).toEqual([])
  }
})

test('every example of the group is a line that parses', () => {
  for (const example of checkpointCommands.flatMap(({ examples }) => examples)) {
    expect(parse(example.split(' ').slice(1)).command).toBe('checkpoint')
  }
})

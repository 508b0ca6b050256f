// The command line as tables: what each line plans, and what each wrong line says.
import { expect, test } from 'vitest'
import { parse, type Plan } from '../../src/cli/parse.ts'
import { UsageError } from '../../src/cli/values.ts'

const demo = {
  command: 'demo',
  model: 'resnet18',
  devices: 2,
  learningRate: 0.001,
  seed: 0,
  engine: 'auto',
  compare: false,
  json: false,
} as const

test.each<[string, Plan]>([
  ['', { command: 'help' }],
  ['--help', { command: 'help' }],
  ['-h', { command: 'help' }],
  ['help', { command: 'help' }],
  ['help demo', { command: 'help', topic: 'demo' }],
  ['start -h', { command: 'help', topic: 'start' }],
  ['start --port x --help', { command: 'help', topic: 'start' }],
  ['--version', { command: 'version' }],
  ['-V', { command: 'version' }],
  ['start', { command: 'start' }],
  ['start --drain', { command: 'start', drain: true }],
  ['start --no-drain', { command: 'start', drain: false }],
  ['start --port 0', { command: 'start', port: 0 }],
  ['start -p 80 --host :: --home h --data a:b', { command: 'start', port: 80, host: '::', home: 'h', data: 'a:b' }],
  ['demo', demo],
  ['--json demo', { ...demo, json: true }],
  ['demo --keep', { ...demo, keep: true }],
  ['demo --no-keep', { ...demo, keep: false }],
  ['demo --keep --no-keep', { ...demo, keep: false }],
  ['demo --model 50', { ...demo, model: 'resnet50' }],
  ['demo --model=ResNet101', { ...demo, model: 'resnet101' }],
  ['demo --engine TFJS', { ...demo, engine: 'tfjs' }],
  ['demo --learning-rate 1e-2', { ...demo, learningRate: 0.01 }],
  [
    'demo --data d --dataset shapes --epochs 1 --devices 4 --batch 64 --images 512 --validation-images 64 --seed 7 --compare --json --port 81',
    {
      ...demo,
      data: 'd',
      dataset: 'shapes',
      epochs: 1,
      devices: 4,
      batch: 64,
      images: 512,
      validationImages: 64,
      seed: 7,
      compare: true,
      json: true,
      port: 81,
    },
  ],
])('trainql %s', (line, plan) => {
  expect(parse(words(line))).toEqual(plan)
})

test.each([
  ['strt', 'There is no command "strt".', 'Did you mean trainql start?'],
  ['fly', 'There is no command "fly".', '`trainql --help` lists the commands.'],
  ['help fly', 'There is no command "fly".', '`trainql --help` lists the commands.'],
  ['--verison', 'There is no option --verison.', 'Did you mean --version?'],
  ['demo --epoch 2', 'There is no option --epoch.', 'Did you mean --epochs?'],
  ['demo --no-json', 'There is no option --no-json.', '`trainql demo --help` lists the options.'],
  ['demo -x', 'There is no option -x.', '`trainql demo --help` lists the options.'],
  ['start --epochs 2', 'There is no option --epochs.', '`trainql start --help` lists the options.'],
  ['demo extra', '"extra" is one argument too many.', '`trainql demo --help` lists the options.'],
  ['demo --json=yes', '--json takes no value; got "yes".', '`trainql demo --help` lists the options.'],
  ['demo --epochs', '--epochs needs a value.', 'Write --epochs N.'],
  ['demo --data --json', '--data needs a value.', 'Write --data PATH.'],
  ['demo --data=', '--data needs a value.', 'Write --data PATH.'],
  ['demo --epochs 0', '--epochs expects a whole number from 1 to 100000; got "0".', ''],
  ['demo --epochs 1.5', '--epochs expects a whole number from 1 to 100000; got "1.5".', ''],
  ['demo --epochs 1e3', '--epochs expects a whole number from 1 to 100000; got "1e3".', ''],
  ['demo --seed -1', '--seed expects a whole number of at least 0; got "-1".', ''],
  ['demo --port 65536', '--port expects a whole number from 0 to 65535; got "65536".', ''],
  ['demo --learning-rate -1', '--learning-rate expects a number above 0; got "-1".', ''],
  ['demo --learning-rate fast', '--learning-rate expects a number above 0; got "fast".', ''],
  [
    'demo --model vgg16',
    '--model does not know "vgg16".',
    'Choose resnet18, resnet34, resnet50, resnet101, resnet152.',
  ],
  ['demo --model resnet19', '--model does not know "resnet19".', 'Did you mean resnet18?'],
  ['demo --engine natve', '--engine does not know "natve".', 'Did you mean native?'],
])('trainql %s is refused', (line, message, fix) => {
  let thrown: unknown
  try {
    parse(words(line))
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(UsageError)
  expect((thrown as UsageError).message).toBe(message)
  expect((thrown as UsageError).fix).toContain(fix)
})

function words(line: string): string[] {
  return line.split(' ').filter((word) => word !== '')
}

// What the command line accepts, as data.
import { checkpointCommands } from './checkpoint/options.ts'
import { dbCommands } from './db/options.ts'
import { help, type CommandGroup, type CommandSpec, type OptionSpec } from './command-spec.ts'
import { metricsCommands } from './metrics/options.ts'

const port: OptionSpec = {
  name: 'port',
  short: 'p',
  value: 'N',
  description: 'Port; 0 takes a free one. Default 4000.',
}
const data: OptionSpec = {
  name: 'data',
  value: 'PATH',
  description: `Folder with datasets, or one dataset's folder; "${process.platform === 'win32' ? ';' : ':'}" parts several.`,
}

export const commands: readonly (CommandSpec | CommandGroup)[] = [
  {
    name: 'demo',
    arguments: [],
    summary: 'Train ResNet-18 data-parallel through the API and watch it.',
    details: [
      'Starts a server of its own, trains on Fashion-MNIST where it is found (--data, TRAINQL_DATA, ../shared/data beside the package), else on a built-in set, and prints the checkpoint and the URLs.',
      'In a terminal the server then stays up until Ctrl-C, with the playground open; elsewhere the demo ends when training has. Ctrl-C cancels the run and stops everything; a second Ctrl-C does so by force.',
      'Its runs live in .trainql/demo, or in demo/ under TRAINQL_HOME.',
    ],
    options: [
      data,
      { name: 'dataset', value: 'NAME', description: 'Dataset, such as fashion-mnist or shapes.' },
      { name: 'model', value: 'NAME', description: 'resnet18 (default), 34, 50, 101 or 152.' },
      { name: 'epochs', value: 'N', description: 'Epochs. Default 3.' },
      { name: 'devices', value: 'N', description: 'CPU devices to train on: 1, 2 or 4. Default 2.' },
      { name: 'batch', value: 'N', description: 'Images per step over all devices. Default 256.' },
      { name: 'learning-rate', value: 'X', description: 'Of Adam. Default 0.001.' },
      { name: 'images', value: 'N', description: 'Train on the first N images only.' },
      { name: 'validation-images', value: 'N', description: 'Validate on the first N images only.' },
      { name: 'seed', value: 'N', description: 'Seed of weights and order. Default 0.' },
      { name: 'engine', value: 'NAME', description: 'auto (default), native or tfjs.' },
      { name: 'compare', description: 'Train on one device too and show both side by side.' },
      { name: 'keep', negatable: true, description: 'Leave the server up afterwards, or not (--no-keep).' },
      { ...port, description: 'Port of its server. Default 4000, or a free one where that is taken.' },
      { name: 'json', description: 'Print a JSON summary on standard output, all else on standard error.' },
      help,
    ],
    examples: ['trainql demo', 'trainql demo --epochs 1 --compare', 'trainql demo --data ~/datasets --model resnet34'],
  },
  {
    name: 'start',
    arguments: [],
    summary: 'Start the server.',
    details: [
      'Serves until it is stopped (Ctrl-C or SIGTERM). Clients are told when to come back. Runs that train meanwhile go on, and the next start finds them; with --drain they write a checkpoint and pause first, and the next start has them go on by itself. A second Ctrl-C ends the server at once; the next start does what it left undone.',
    ],
    options: [
      port,
      { name: 'host', value: 'ADDRESS', description: 'Address to listen on. Default 127.0.0.1.' },
      { name: 'home', value: 'PATH', description: 'Folder of database and runs. Default TRAINQL_HOME, else .trainql.' },
      data,
      {
        name: 'drain',
        negatable: true,
        description:
          'When stopped, pause running runs and wait for them, at most TRAINQL_CANCEL_GRACE_SECONDS. Default TRAINQL_DRAIN_ON_EXIT, else no.',
      },
      help,
    ],
    examples: ['trainql start', 'trainql start --port 8080 --data ~/datasets', 'trainql start --drain'],
  },
  {
    name: 'checkpoint',
    summary: 'Look into, repair, import, export and check checkpoint files.',
    commands: checkpointCommands,
  },
  {
    name: 'metrics',
    summary: 'Write what runs have measured to files.',
    commands: metricsCommands,
  },
  {
    name: 'db',
    summary: 'Make the database anew from the run directories, or compare the two.',
    commands: dbCommands,
  },
]

export const globalOptions: readonly OptionSpec[] = [
  help,
  { name: 'version', short: 'V', description: 'Show the version.' },
]

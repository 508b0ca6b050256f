// Turns the command line into a plan, and does nothing else: no environment, no files, no output.
import { parseCheckpoint, type CheckpointPlan } from './checkpoint/parse.ts'
import type { CommandGroup, CommandSpec } from './command-spec.ts'
import { parseMetrics, type MetricsPlan } from './metrics/parse.ts'
import { type DbPlan, parseDb } from './db/parse.ts'
import { commands, globalOptions } from './options.ts'
import { optional, readResNet, readValues, suggest, UsageError, type ResNetName, type Values } from './values.ts'

export interface StartPlan {
  command: 'start'
  port?: number
  host?: string
  home?: string
  data?: string
  /** Absent where the environment says. */
  drain?: boolean
}

export const engines = ['auto', 'native', 'tfjs'] as const

export interface DemoPlan {
  command: 'demo'
  data?: string
  dataset?: string
  model: ResNetName
  /** Absent where the choice is the demo's, which depends on the engine. */
  epochs?: number
  devices: number
  batch?: number
  learningRate: number
  images?: number
  validationImages?: number
  seed: number
  engine: (typeof engines)[number]
  compare: boolean
  /** Absent: stay up in a terminal only. */
  keep?: boolean
  port?: number
  json: boolean
}

export type Plan =
  | { command: 'help'; topic?: string }
  | { command: 'version' }
  | StartPlan
  | DemoPlan
  | CheckpointPlan
  | MetricsPlan
  | DbPlan

/**
 * @param argv what follows the program's name
 * @throws UsageError naming what was not understood and the nearest thing that would be
 */
export function parse(argv: readonly string[]): Plan {
  const [name, rest] = takeWord(argv)
  if (name === undefined) return parseGlobal(argv)
  if (name === 'help') return parseHelp(rest)
  const command = findCommand(commands, name, '')
  if (!('commands' in command)) return planOf(command, rest)
  const [second, last] = takeWord(rest)
  if (second === undefined) {
    readValues({ name, arguments: [], options: globalOptions.filter((option) => option.name === 'help') }, rest)
    return { command: 'help', topic: name }
  }
  return planOf(findMember(command, second), last)
}

function planOf(command: CommandSpec, argv: readonly string[]): Plan {
  const values = readValues(command, argv)
  if (values.flag('help') === true) return { command: 'help', topic: command.name }
  if (command.name === 'start') return startPlan(values)
  if (command.name === 'metrics export') return parseMetrics(values)
  if (command.name === 'db rebuild') return parseDb(values)
  return command.name === 'demo' ? demoPlan(values) : parseCheckpoint(command.name, values)
}

function parseGlobal(argv: readonly string[]): Plan {
  const values = readValues({ arguments: [], options: globalOptions }, argv)
  return values.flag('version') === true ? { command: 'version' } : { command: 'help' }
}

function parseHelp(argv: readonly string[]): Plan {
  const [name, rest] = takeWord(argv)
  if (name === undefined) return { command: 'help' }
  const command = findCommand(commands, name, '')
  const [second] = takeWord(rest)
  if (second === undefined || !('commands' in command)) return { command: 'help', topic: command.name }
  return { command: 'help', topic: findMember(command, second).name }
}

/** The first word that is no option, and all the others. */
function takeWord(argv: readonly string[]): [word: string | undefined, rest: readonly string[]] {
  const at = argv.findIndex((argument) => !argument.startsWith('-'))
  return at === -1 ? [undefined, argv] : [argv[at], argv.toSpliced(at, 1)]
}

function findMember({ name, commands: members }: CommandGroup, word: string): CommandSpec {
  return findCommand(members, `${name} ${word}`, name)
}

function findCommand<Command extends { name: string }>(
  among: readonly Command[],
  name: string,
  group: string,
): Command {
  const found = among.find((candidate) => candidate.name === name)
  if (found !== undefined) return found
  const usage = `\`trainql ${group === '' ? '' : `${group} `}--help\` lists the commands.`
  const names = among.map((candidate) => candidate.name)
  throw new UsageError(`There is no command "${name}".`, suggest(name, names, 'trainql', usage))
}

function startPlan(values: Values): StartPlan {
  return {
    command: 'start',
    ...optional('port', values.integer('port', 0, 65_535)),
    ...optional('host', values.text('host')),
    ...optional('home', values.text('home')),
    ...optional('data', values.text('data')),
    ...optional('drain', values.flag('drain')),
  }
}

function demoPlan(values: Values): DemoPlan {
  return {
    command: 'demo',
    ...optional('data', values.text('data')),
    ...optional('dataset', values.text('dataset')),
    model: readResNet(values, 'model') ?? 'resnet18',
    ...optional('epochs', values.integer('epochs', 1, 100_000)),
    devices: values.integer('devices', 1, 1024) ?? 2,
    ...optional('batch', values.integer('batch', 1, 65_536)),
    learningRate: values.positive('learning-rate') ?? 0.001,
    ...optional('images', values.integer('images', 1, Number.MAX_SAFE_INTEGER)),
    ...optional('validationImages', values.integer('validation-images', 1, Number.MAX_SAFE_INTEGER)),
    seed: values.integer('seed', 0, Number.MAX_SAFE_INTEGER) ?? 0,
    engine: values.choice('engine', engines) ?? 'auto',
    compare: values.flag('compare') ?? false,
    ...optional('keep', values.flag('keep')),
    ...optional('port', values.integer('port', 0, 65_535)),
    json: values.flag('json') ?? false,
  }
}

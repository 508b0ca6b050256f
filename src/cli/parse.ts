// Turns the command line into a plan, and does nothing else: no environment, no files, no output.
import { parseArgs } from 'node:util'
import { commands, globalOptions, type OptionSpec } from './options.ts'

export interface StartPlan {
  command: 'start'
  port?: number
  host?: string
  home?: string
  data?: string
}

export const models = ['resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152'] as const
export const engines = ['auto', 'native', 'tfjs'] as const

export interface DemoPlan {
  command: 'demo'
  data?: string
  dataset?: string
  model: (typeof models)[number]
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

export type Plan = { command: 'help'; topic?: string } | { command: 'version' } | StartPlan | DemoPlan

/** A command line that cannot be understood; exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly fix: string

  constructor(message: string, fix: string) {
    super(message)
    this.fix = fix
  }
}

/**
 * @param argv what follows the program's name
 * @throws UsageError naming what was not understood and the nearest thing that would be
 */
export function parse(argv: readonly string[]): Plan {
  const at = argv.findIndex((argument) => !argument.startsWith('-'))
  const name = at === -1 ? undefined : argv[at]
  if (name === undefined) return parseGlobal(argv)
  if (name === 'help') return { command: 'help', topic: topicOf(argv[at + 1]) }
  const command = commands.find((candidate) => candidate.name === name)
  if (command === undefined) {
    const names = commands.map((candidate) => candidate.name)
    throw new UsageError(
      `There is no command "${name}".`,
      suggest(name, names, 'trainql', '`trainql --help` lists the commands.'),
    )
  }
  const values = readOptions(command.options, [...argv.slice(0, at), ...argv.slice(at + 1)], command.name)
  if (values.flag('help') === true) return { command: 'help', topic: command.name }
  return command.name === 'start' ? startPlan(values) : demoPlan(values)
}

function parseGlobal(argv: readonly string[]): Plan {
  const values = readOptions(globalOptions, argv, undefined)
  return values.flag('version') === true ? { command: 'version' } : { command: 'help' }
}

function topicOf(name: string | undefined): string | undefined {
  if (name === undefined || commands.some((command) => command.name === name)) return name
  throw new UsageError(`There is no command "${name}".`, '`trainql --help` lists the commands.')
}

function startPlan(values: Values): StartPlan {
  return {
    command: 'start',
    ...optional('port', values.integer('port', 0, 65_535)),
    ...optional('host', values.text('host')),
    ...optional('home', values.text('home')),
    ...optional('data', values.text('data')),
  }
}

function demoPlan(values: Values): DemoPlan {
  return {
    command: 'demo',
    ...optional('data', values.text('data')),
    ...optional('dataset', values.text('dataset')),
    model: values.choice('model', models, (text) => (/^\d+$/.test(text) ? `resnet${text}` : text)) ?? 'resnet18',
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

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>)
}

interface Values {
  text(name: string): string | undefined
  flag(name: string): boolean | undefined
  integer(name: string, least: number, most: number): number | undefined
  positive(name: string): number | undefined
  choice<T extends string>(name: string, allowed: readonly T[], normalise?: (text: string) => string): T | undefined
}

function readOptions(specs: readonly OptionSpec[], argv: readonly string[], command: string | undefined): Values {
  const texts = new Map<string, string>()
  const flags = new Map<string, boolean>()
  const usage = `\`trainql ${command === undefined ? '' : `${command} `}--help\` lists the options.`
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      specs.map(({ name, short, value }) => [
        name,
        {
          type: value === undefined ? ('boolean' as const) : ('string' as const),
          ...(short === undefined ? {} : { short }),
        },
      ]),
    ),
  })
  for (const token of tokens) {
    if (token.kind === 'positional') throw new UsageError(`"${token.value}" is one argument too many.`, usage)
    if (token.kind === 'option-terminator') continue
    const negated = specs.find(({ name, negatable }) => negatable === true && token.name === `no-${name}`)
    const spec = negated ?? specs.find(({ name }) => name === token.name)
    if (spec === undefined) {
      const known = specs.map(({ name }) => `--${name}`)
      throw new UsageError(`There is no option ${token.rawName}.`, suggest(token.rawName, known, '', usage))
    }
    if (spec.value === undefined) {
      if (token.value !== undefined)
        throw new UsageError(`${token.rawName} takes no value; got "${token.value}".`, usage)
      flags.set(spec.name, negated === undefined)
      continue
    }
    if (token.value === undefined || token.value === '' || (!token.inlineValue && /^--[a-z]/.test(token.value))) {
      throw new UsageError(`${token.rawName} needs a value.`, `Write --${spec.name} ${spec.value}.`)
    }
    texts.set(spec.name, token.value)
  }
  return {
    text: (name) => texts.get(name),
    flag: (name) => flags.get(name),
    integer(name, least, most) {
      const text = texts.get(name)
      if (text === undefined) return undefined
      const value = /^[+-]?\d+$/.test(text) ? Number(text) : NaN
      if (value >= least && value <= most) return value
      const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
      throw new UsageError(`--${name} expects a whole number ${range}; got "${text}".`, usage)
    },
    positive(name) {
      const text = texts.get(name)
      if (text === undefined) return undefined
      const value = Number(text)
      if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
      throw new UsageError(`--${name} expects a number above 0; got "${text}".`, usage)
    },
    choice(name, allowed, normalise = (text) => text) {
      const text = texts.get(name)
      if (text === undefined) return undefined
      const wanted = normalise(text.toLowerCase())
      const value = allowed.find((candidate) => candidate === wanted)
      if (value !== undefined) return value
      const choices = `Choose ${allowed.join(', ')}.`
      throw new UsageError(`--${name} does not know "${text}".`, suggest(wanted, allowed, '', choices))
    },
  }
}

function suggest(given: string, known: readonly string[], prefix: string, otherwise: string): string {
  const [best] = known
    .map((candidate) => ({ candidate, distance: editDistance(given, candidate) }))
    .sort((a, b) => a.distance - b.distance)
  if (best === undefined || best.distance > Math.max(1, Math.floor(best.candidate.length / 3))) return otherwise
  return `Did you mean ${[prefix, best.candidate].filter((part) => part !== '').join(' ')}? ${otherwise}`
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

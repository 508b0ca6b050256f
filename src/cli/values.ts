// Reads a command's options and arguments by its table, and says what is wrong with a line that does not fit it.
import { parseArgs } from 'node:util'
import { argumentName, type ArgumentSpec, type OptionSpec } from './command-spec.ts'

/** A command line that cannot be understood; exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly fix: string

  constructor(message: string, fix: string) {
    super(message)
    this.fix = fix
  }
}

/** What a command line gave, each value checked as it is asked for. */
export interface Values {
  /** In order; as many as the command takes, at least one of each. */
  arguments: readonly string[]
  text(name: string): string | undefined
  flag(name: string): boolean | undefined
  integer(name: string, least: number, most: number): number | undefined
  positive(name: string): number | undefined
  choice<T extends string>(name: string, allowed: readonly T[], normalise?: (text: string) => string): T | undefined
}

export interface ValueSpec {
  /** Undefined where no command was named. */
  name?: string
  arguments: readonly ArgumentSpec[]
  options: readonly OptionSpec[]
}

/** @throws UsageError */
export function readValues(
  { name: command, arguments: wanted, options: specs }: ValueSpec,
  argv: readonly string[],
): Values {
  const texts = new Map<string, string>()
  const flags = new Map<string, boolean>()
  const given: string[] = []
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
    if (token.kind === 'positional') {
      if (given.length >= wanted.length && wanted.at(-1)?.many !== true)
        throw new UsageError(`"${token.value}" is one argument too many.`, usage)
      given.push(token.value)
      continue
    }
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
  const missing = wanted[given.length]
  // Whoever asks for help need not know the rest yet.
  if (missing !== undefined && flags.get('help') !== true) {
    throw new UsageError(
      `${missing.name} is missing.`,
      `Write trainql ${command ?? ''} ${wanted.map(argumentName).join(' ')}.`,
    )
  }
  return {
    arguments: given,
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

export function suggest(given: string, known: readonly string[], prefix: string, otherwise: string): string {
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

/** A property that is there only where its value is. */
export function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>)
}

export const resNetNames = ['resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152'] as const
export type ResNetName = (typeof resNetNames)[number]

/** `50` is `resnet50`. */
export function readResNet(values: Values, option: string): ResNetName | undefined {
  return values.choice(option, resNetNames, (text) => (/^\d+$/.test(text) ? `resnet${text}` : text.replace('-', '')))
}

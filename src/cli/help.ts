// The help texts, rendered from the option table.
import { commands, globalOptions, type CommandSpec, type OptionSpec } from './options.ts'
import { wrap } from './terminal/format.ts'

const width = 100

export function renderHelp(topic?: string): string {
  const command = commands.find(({ name }) => name === topic)
  return command === undefined ? renderOverview() : renderCommand(command)
}

function renderOverview(): string {
  return [
    'TrainQL trains image classifiers behind a GraphQL API.',
    '',
    'Usage: trainql <command> [options]',
    '',
    'Commands:',
    ...columns(commands.map(({ name, summary }) => [name, summary])),
    '',
    'Options:',
    ...columns(globalOptions.map(optionRow)),
    '',
    'trainql <command> --help tells more about a command.',
    '',
  ].join('\n')
}

function renderCommand({ name, summary, details, options, examples }: CommandSpec): string {
  return [
    `Usage: trainql ${name} [options]`,
    '',
    summary,
    ...details.flatMap((paragraph) => ['', ...wrap(paragraph, width)]),
    '',
    'Options:',
    ...columns(options.map(optionRow)),
    '',
    'Examples:',
    ...examples.map((example) => `  ${example}`),
    '',
  ].join('\n')
}

function optionRow({ name, short, value, negatable, description }: OptionSpec): [string, string] {
  const long = `--${negatable === true ? '[no-]' : ''}${name}${value === undefined ? '' : ` ${value}`}`
  return [short === undefined ? `    ${long}` : `-${short}, ${long}`, description]
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const left = Math.max(...rows.map(([name]) => name.length))
  return rows.flatMap(([name, description]) =>
    wrap(description, width - left - 4).map((line, index) => `  ${(index === 0 ? name : '').padEnd(left)}  ${line}`),
  )
}

// The help texts, rendered from the tables of commands and options.
import { argumentName, type CommandGroup, type CommandSpec, type OptionSpec } from './command-spec.ts'
import { commands, globalOptions } from './options.ts'
import { wrap } from './terminal/format.ts'

const width = 100

/** @param topic a command's name, or a group's */
export function renderHelp(topic?: string): string {
  const found = commands
    .flatMap((command) => ('commands' in command ? [command, ...command.commands] : [command]))
    .find(({ name }) => name === topic)
  if (found === undefined) return renderOverview()
  return 'commands' in found ? renderGroup(found) : renderCommand(found)
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

function renderGroup({ name, summary, commands: members }: CommandGroup): string {
  return [
    `Usage: trainql ${name} <command> …`,
    '',
    summary,
    '',
    'Commands:',
    ...columns(members.map((member) => [usageOf(member).slice(name.length + 1), member.summary])),
    '',
    `trainql ${name} <command> --help tells more about a command.`,
    '',
  ].join('\n')
}

function renderCommand(command: CommandSpec): string {
  const { summary, details, options, examples } = command
  return [
    `Usage: trainql ${usageOf(command)} [options]`,
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

function usageOf({ name, arguments: wanted }: CommandSpec): string {
  return [name, ...wanted.map(argumentName)].join(' ')
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

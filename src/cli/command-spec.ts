// The words in which the command line is described: parsing and help both read such tables, so they cannot disagree.

export interface OptionSpec {
  /** Without dashes. */
  name: string
  short?: string
  description: string
  /** What follows it, in help; absent for a flag. */
  value?: string
  /** A flag that may also be given as `--no-NAME`. */
  negatable?: boolean
}

/** Stands alone and must be given. */
export interface ArgumentSpec {
  /** In capitals, as help shows it. */
  name: string
  /** Takes all that follow; of the last one only. */
  many?: boolean
}

/** As usage shows it. */
export function argumentName({ name, many }: ArgumentSpec): string {
  return many === true ? `${name}…` : name
}

export interface CommandSpec {
  /** Of a command in a group, both words: `checkpoint inspect`. */
  name: string
  arguments: readonly ArgumentSpec[]
  summary: string
  /** Paragraphs of its help, behind the summary. */
  details: readonly string[]
  options: readonly OptionSpec[]
  examples: readonly string[]
}

/** Commands that share their first word. */
export interface CommandGroup {
  name: string
  summary: string
  commands: readonly CommandSpec[]
}

export const help: OptionSpec = { name: 'help', short: 'h', description: 'Show this help.' }

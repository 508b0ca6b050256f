// What `trainql metrics` accepts, as data.
import { help, type CommandSpec } from '../command-spec.ts'

export const metricsCommands: readonly CommandSpec[] = [
  {
    name: 'metrics export',
    arguments: [{ name: 'RUN' }],
    summary: 'Write every step or epoch that a run has measured to a file.',
    details: [
      'Asks a running server. Of a run that trains the file holds what it has measured until now. Numbers have all their digits; a loss that was NaN or infinite is null (in CSV nothing), and nonFinite is true.',
      'The file is there whole or not at all.',
    ],
    options: [
      {
        name: 'format',
        value: 'NAME',
        description: 'jsonl or csv. Default: as the name of the file ends, else jsonl.',
      },
      { name: 'kind', value: 'NAME', description: 'steps (default) or epochs.' },
      {
        name: 'superseded',
        negatable: true,
        description: 'Also rows that a later attempt has trained anew (default), or not.',
      },
      {
        name: 'out',
        short: 'o',
        value: 'FILE',
        description:
          'File to write; - is standard output. Default: RUN-steps.jsonl in this folder, or as kind and format are.',
      },
      { name: 'force', short: 'f', description: 'Replace the file where it exists.' },
      {
        name: 'server',
        value: 'URL',
        description: 'Server to ask. Default TRAINQL_URL, else http://127.0.0.1:4000.',
      },
      { name: 'json', description: 'Print what was written as JSON on standard output.' },
      help,
    ],
    examples: [
      'trainql metrics export RUN',
      'trainql metrics export RUN --kind epochs --out epochs.csv',
      'trainql metrics export RUN --format csv --out - | gzip > steps.csv.gz',
    ],
  },
]

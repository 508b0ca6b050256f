// What `trainql db` accepts, as data.
import { help, type CommandSpec } from '../command-spec.ts'

export const dbCommands: readonly CommandSpec[] = [
  {
    name: 'db rebuild',
    arguments: [],
    summary: 'Make runs, events, metrics and checkpoints of the database anew from the run directories.',
    details: [
      'Reads every run directory as the server does and puts the rows in the place of those that are stored, in one transaction: until it is done, and where it is interrupted, what was stored is whole. Cursors are the same as before. Devices and whether they take runs, and imported checkpoints, stay as they are.',
      'The database is the embedded one, or the PostgreSQL server of DATABASE_URL; no server may use it meanwhile. Trainers may run on: the next start of the server takes over what they write.',
      '--check compares row by row and changes nothing. Leaves with code 1 where it finds a difference, or where a directory could not be read to its end.',
    ],
    options: [
      { name: 'check', description: 'Compare with what is stored, and change nothing.' },
      { name: 'limit', value: 'N', description: '--check: tell so many differences one by one. Default 20.' },
      { name: 'home', value: 'PATH', description: 'Data directory. Default TRAINQL_HOME, else .trainql.' },
      { name: 'json', description: 'Print the answer as JSON on standard output.' },
      help,
    ],
    examples: ['trainql db rebuild --check', 'trainql db rebuild', 'trainql db rebuild --home /srv/trainql --json'],
  },
]

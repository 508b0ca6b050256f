// `trainql metrics` as tables: what each line plans, and what each wrong line says.
import { expect, test } from 'vitest'
import type { MetricsPlan } from '../../src/cli/metrics/parse.ts'
import { parse, type Plan } from '../../src/cli/parse.ts'
import { UsageError } from '../../src/cli/values.ts'

const plan: MetricsPlan = {
  command: 'metrics',
  run: 'r',
  kind: 'STEPS',
  format: 'JSONL',
  superseded: true,
  replace: false,
  json: false,
}

test.each<[string, Plan]>([
  ['metrics', { command: 'help', topic: 'metrics' }],
  ['metrics export --help', { command: 'help', topic: 'metrics export' }],
  ['metrics export r', plan],
  ['metrics export r --format csv', { ...plan, format: 'CSV' }],
  ['metrics export r --out a.CSV', { ...plan, out: 'a.CSV', format: 'CSV' }],
  ['metrics export r --out a.csv --format jsonl', { ...plan, out: 'a.csv' }],
  ['metrics export r -o - --no-superseded', { ...plan, out: '-', superseded: false }],
  ['metrics export --kind epochs r -f --json', { ...plan, kind: 'EPOCHS', replace: true, json: true }],
  ['metrics export r --server http://h:1', { ...plan, server: 'http://h:1' }],
])('%s', (line, expected) => {
  expect(parse(line.split(' '))).toEqual(expected)
})

test.each([
  ['metrics export', 'RUN is missing.', 'Write trainql metrics export RUN.'],
  ['metrics exprt r', 'There is no command "metrics exprt".', 'Did you mean trainql metrics export?'],
  ['metrics export r s', '"s" is one argument too many.', '`trainql metrics export --help` lists the options.'],
  ['metrics export r --format xml', '--format does not know "xml".', 'Choose jsonl, csv.'],
  ['metrics export r --out - --json', '--json and --out - both want standard output.', 'Leave out one of them.'],
])('%s is refused', (line, message, fix) => {
  const wrong = (() => {
    try {
      parse(line.split(' '))
    } catch (error) {
      return error
    }
    return null
  })()
  expect(wrong).toBeInstanceOf(UsageError)
  expect(wrong).toMatchObject({ message })
  expect((wrong as UsageError).fix).toContain(fix)
})

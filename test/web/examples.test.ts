// The operations in the playground's tabs are valid against the schema, with the variables they come with.
import { readFileSync } from 'node:fs'
import { buildSchema, getVariableValues, parse, validate, type OperationDefinitionNode } from 'graphql'
import { expect, test } from 'vitest'
import { examples } from '../../src/web/playground/examples.ts'

const newest = { runId: 'r1', checkpointId: 'c1' }
const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'))

test.each(examples(newest).map((example) => [nameOf(example.query), example] as const))(
  '%s',
  (_, { query, variables }) => {
    const document = parse(query)
    expect(validate(schema, document)).toEqual([])
    const definitions = (document.definitions[0] as OperationDefinitionNode).variableDefinitions ?? []
    expect(getVariableValues(schema, definitions, variables ?? {}).errors).toBeUndefined()
  },
)

test('the tabs are told apart by their operation names, and name the newest run and checkpoint', () => {
  const names = examples(newest).map(({ query }) => nameOf(query))
  expect(new Set(names).size).toBe(names.length)
  const naming = (id: string): string[] =>
    examples(newest).flatMap(({ query, variables }) =>
      JSON.stringify(variables ?? {}).includes(id) ? [nameOf(query)] : [],
    )
  expect(naming('r1')).toEqual(
    expect.arrayContaining(['FollowRun', 'CancelRun', 'LoadReport', 'SingleToMultiWhole', 'MultiToSingleWhole']),
  )
  expect(naming('c1')).toEqual(expect.arrayContaining(['ExportCheckpoint', 'VerifyCheckpoint', 'MultiToMultiWeights']))
})

test('each way to save on some devices and load on others has a tab, for weights and whole', () => {
  const names = examples(newest).map(({ query }) => nameOf(query))
  const ways = ['SingleToSingle', 'SingleToMulti', 'MultiToSingle', 'MultiToMulti']
  expect(names).toEqual(expect.arrayContaining(ways.flatMap((way) => [`${way}Weights`, `${way}Whole`])))
})

function nameOf(query: string): string {
  return (parse(query).definitions[0] as OperationDefinitionNode).name?.value ?? ''
}

// The operations in the playground's tabs are valid against the schema, with the variables they come with.
import { readFileSync } from 'node:fs'
import { buildSchema, getVariableValues, parse, validate, type OperationDefinitionNode } from 'graphql'
import { expect, test } from 'vitest'
import { examples } from '../../src/web/playground/examples.ts'

const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'))

test.each(examples('r1').map((example) => [nameOf(example.query), example] as const))(
  '%s',
  (_, { query, variables }) => {
    const document = parse(query)
    expect(validate(schema, document)).toEqual([])
    const definitions = (document.definitions[0] as OperationDefinitionNode).variableDefinitions ?? []
    expect(getVariableValues(schema, definitions, variables ?? {}).errors).toBeUndefined()
  },
)

test('the tabs are told apart by their operation names, and name the newest run', () => {
  const names = examples('r1').map(({ query }) => nameOf(query))
  expect(new Set(names).size).toBe(names.length)
  expect(examples('r1').filter(({ variables }) => JSON.stringify(variables ?? {}).includes('r1'))).toHaveLength(2)
})

function nameOf(query: string): string {
  return (parse(query).definitions[0] as OperationDefinitionNode).name?.value ?? ''
}

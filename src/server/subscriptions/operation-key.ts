// Which subscriptions ask the same: what they read of an event is then equal, wherever in the stream each of them is.
import { createHash } from 'node:crypto'
import { type DocumentNode, Kind, type OperationDefinitionNode, visit } from 'graphql'

export interface SharableOperation {
  /** As sent. */
  text: string
  document: DocumentNode
  operation: OperationDefinitionNode
  variables: Record<string, unknown>
  /** Those who see the same: one name for each set of rights. What one may see is never given to another. */
  audience: string
}

/** Equal for subscriptions that differ in nothing but the position they start from. */
export function operationKey({ text, document, operation, variables, audience }: SharableOperation): string {
  const position = findPositionVariable(document, operation)
  const others = Object.entries(variables).filter(([name]) => name !== position)
  const asked = [audience, text, operation.name?.value ?? null, others.sort(([one], [other]) => (one < other ? -1 : 1))]
  return createHash('sha256').update(JSON.stringify(asked)).digest('base64')
}

/** The variable given as `after` of the subscribed field, where it is used for nothing else. */
function findPositionVariable(document: DocumentNode, operation: OperationDefinitionNode): string | null {
  const [field] = operation.selectionSet.selections
  if (field?.kind !== Kind.FIELD) return null
  const value = field.arguments?.find(({ name }) => name.value === 'after')?.value
  if (value?.kind !== Kind.VARIABLE) return null
  const name = value.name.value
  let uses = 0
  visit(document, {
    // Where it is declared it is not used.
    VariableDefinition: () => false,
    Variable: (node) => {
      if (node.name.value === name) uses += 1
    },
  })
  return uses === 1 ? name : null
}

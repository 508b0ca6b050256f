// Documents that sockets send, parsed and validated once: a crowd that comes back after a restart sends the same one.
import { GraphQLError, type DocumentNode, type GraphQLSchema, parse, validate } from 'graphql'

/** A document that may be executed, or why not. */
export type CheckedDocument = { text: string; document: DocumentNode } | { errors: readonly GraphQLError[] }

/** The most text that is remembered; a tree takes about thirty times its text. */
const limitCharacters = 256 * 1024

export function createDocuments(schema: GraphQLSchema): (text: string) => CheckedDocument {
  /** Least recently used first. */
  const known = new Map<string, CheckedDocument>()
  let characters = 0

  function remember(text: string, checked: CheckedDocument): void {
    known.set(text, checked)
    characters += text.length
    for (const oldest of known.keys()) {
      if (characters <= limitCharacters) return
      known.delete(oldest)
      characters -= oldest.length
    }
  }

  return (text) => {
    const found = known.get(text)
    if (found !== undefined) {
      known.delete(text)
      known.set(text, found)
      return found
    }
    const checked = check(schema, text)
    // A document with errors is not sent twice by whom it concerns.
    if (!('errors' in checked)) remember(text, checked)
    return checked
  }
}

function check(schema: GraphQLSchema, text: string): CheckedDocument {
  let document: DocumentNode
  try {
    document = parse(text)
  } catch (error) {
    if (error instanceof GraphQLError) return { errors: [error] }
    throw error
  }
  const errors = validate(schema, document)
  return errors.length > 0 ? { errors } : { text, document }
}

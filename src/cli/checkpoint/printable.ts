// Files of strangers hold names of their own choosing: nothing of them may move the cursor or forge a line.

/** The value with every control and invisible character in its strings written out, as `\u{1b}`. */
export function printable<Value>(value: Value): Value {
  return visit(value) as Value
}

function visit(value: unknown): unknown {
  if (typeof value === 'string') return escapeText(value)
  if (Array.isArray(value)) return value.map(visit)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item)]))
}

function escapeText(text: string): string {
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

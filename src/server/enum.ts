// GraphQL enums from the literal tuples that the shared types are made of.

/** `['A', 'B']` as `{A: 'A', B: 'B'}`, the shape `registerEnumType` takes. */
export function enumOf<const T extends string>(values: readonly T[]): { readonly [K in T]: K } {
  return Object.fromEntries(values.map((value) => [value, value])) as { [K in T]: K }
}

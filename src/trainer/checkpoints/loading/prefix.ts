// Which prefix wrappers left on the front of a file's names: DataParallel's `module.`, torch.compile's `_orig_mod.`,
// a Lightning module's `model.`, and whatever else leads to more names that the model knows.

/**
 * The prefix to take off every name that has it, `''` for none: whole levels (`module.`, `module._orig_mod.`), and only
 * where strictly more names are the model's without it. Of prefixes that lead to equally many the shortest, then the
 * first in the file. Nothing is ever taken out of the middle of a name.
 * @param known names of the model's tensors.
 */
export function leadingPrefix(names: Iterable<string>, known: ReadonlySet<string>): string {
  // No known name is longer: what a prefix leaves is looked for among the last so many characters alone.
  const longest = Math.max(0, ...[...known].map(({ length }) => length))
  const matches = new Map<string, number>([['', 0]])
  for (const name of names) {
    if (known.has(name)) matches.set('', (matches.get('') ?? 0) + 1)
    for (
      let dot = name.lastIndexOf('.');
      dot >= 0 && name.length - dot - 1 <= longest;
      dot = name.lastIndexOf('.', dot - 1)
    ) {
      if (known.has(name.slice(dot + 1))) {
        const prefix = name.slice(0, dot + 1)
        matches.set(prefix, (matches.get(prefix) ?? 0) + 1)
      }
      if (dot === 0) break
    }
  }
  let best = ''
  for (const [prefix, count] of matches) {
    const most = matches.get(best) ?? 0
    if (count > most || (count === most && prefix.length < best.length)) best = prefix
  }
  return best
}

export interface StrippedNames {
  prefix: string
  /** Names as the model knows them, to the names in the file. Those without the prefix are not among them. */
  stripped: Map<string, string>
  /** Names in the file that do not have the prefix. */
  without: string[]
}

export function stripPrefix(names: Iterable<string>, known: ReadonlySet<string>): StrippedNames {
  const all = [...names]
  const prefix = leadingPrefix(all, known)
  const having = all.filter((name) => name.startsWith(prefix))
  return {
    prefix,
    stripped: new Map(having.map((name) => [name.slice(prefix.length), name])),
    without: all.filter((name) => !name.startsWith(prefix)),
  }
}

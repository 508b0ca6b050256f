// Adds what the shards give in the fixed binary tree, neighbours first, while they come in turn.

/**
 * ((s0 + s1) + (s2 + s3)) + …: the same sum whichever devices computed the shards, so it is bit-equal for every
 * device count. Holds at most log2(S) + 1 partial sums, like the digits of a binary counter.
 */
export function createTreeSum<T>(add: (left: T, right: T) => T): { push(value: T): void; total(): T } {
  const partials: { level: number; value: T }[] = []
  return {
    push(value) {
      let level = 0
      while (partials.at(-1)?.level === level) {
        const left = partials.pop()
        if (left !== undefined) value = add(left.value, value)
        level += 1
      }
      partials.push({ level, value })
    },
    total() {
      const [root, ...rest] = partials
      if (root === undefined || rest.length > 0) throw new RangeError('a tree sum needs a power of two of values')
      return root.value
    },
  }
}

// How far apart two tensors or state dicts are.

/** Euclidean norm. */
export function norm(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i += 1) sum += (values[i] ?? NaN) ** 2
  return Math.sqrt(sum)
}

/** |a - b| / |b| in the Euclidean norm; |a - b| where b is zero. NaN where the lengths differ or a value is NaN. */
export function relativeDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return NaN
  let sum = 0
  for (let i = 0; i < a.length; i += 1) sum += ((a[i] ?? NaN) - (b[i] ?? NaN)) ** 2
  const size = norm(b)
  return Math.sqrt(sum) / (size === 0 ? 1 : size)
}

/** Middle value of an odd number of values. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) / 2] ?? NaN
}

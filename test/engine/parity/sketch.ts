// Count sketches (Charikar et al. 2002): a few signed sums that stand for a tensor of millions of values.
import { mix, streamKey } from '../generate.ts'

/**
 * Signed sums over `buckets` random groups, as reference.py makes them. Sketches subtract like what they stand for,
 * and the norm of a sketch estimates the norm of that: relative deviation about 1 / sqrt(2 buckets).
 */
export function sketch(values: ArrayLike<number>, name: string, buckets: number): Float64Array {
  const key = streamKey(0, `sketch.${name}`)
  const sums = new Float64Array(buckets)
  for (let index = 0; index < values.length; index += 1) {
    const hash = mix((key + index) >>> 0)
    const bucket = (hash >>> 1) % buckets
    const value = values[index] as number
    sums[bucket] = (sums[bucket] as number) + ((hash & 1) === 1 ? value : -value)
  }
  return sums
}

// e^x in exactly defined double arithmetic; `native/src/input/placement.cc` does the same operations.

const log2OfE = 1.4426950408889634
const ln2High = 6.9314718036912381649e-1
const ln2Low = 1.90821492927058770002e-10

/**
 * Error under 1 ulp for results that are normal doubles. After fdlibm's e_exp.c (Sun Microsystems, 1993): x = k ln 2 + r with
 * |r| <= ln(2) / 2, and e^r by a rational function.
 */
export function exponential(x: number): number {
  const k = Math.floor(x * log2OfE + 0.5)
  const high = x - k * ln2High
  const low = k * ln2Low
  const r = high - low
  const t = r * r
  const c =
    r -
    t *
      (1.66666666666666019037e-1 +
        t *
          (-2.77777777770155933842e-3 +
            t * (6.61375632143793436117e-5 + t * (-1.6533902205465251539e-6 + t * 4.13813679705723846039e-8))))
  let y = 1 - (low - (r * c) / (2 - c) - high)
  for (let i = 0; i < k; i += 1) y *= 2
  for (let i = 0; i > k; i -= 1) y /= 2
  return y
}
